"""What comes in: results and retrieved text as a model may see them. What is stored stays as it came."""
