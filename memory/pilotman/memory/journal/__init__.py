"""The journal: the state store of runs."""
