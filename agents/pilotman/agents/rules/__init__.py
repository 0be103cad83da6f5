"""The rule-based chat model, in parts: reading a prompt, routing, arguments, working, writing."""
