"""Durable facts: what was believed when about when, on what it stands, and whether it may be told."""
