"""What a conversation and a user keep, as a LangGraph store: sessions with an end, and what lasts."""
