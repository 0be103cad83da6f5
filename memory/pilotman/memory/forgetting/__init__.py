"""Forgetting on purpose: what is to go, what must stay, and the receipt of what went."""
