"""Connectors: what documents come from. Each is a ``Source``."""
