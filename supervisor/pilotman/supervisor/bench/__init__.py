"""A bench for whole teams: what a suite of single calls cannot show, played with a hijacked model, in memory.

``scenarios.shipped()`` plays on teams of our own, ``scenarios.of(team)`` on yours; no function of its tools
is called.
"""
