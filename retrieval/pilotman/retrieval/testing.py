"""Second door: what a connector of your own must hold, tried out. Needs no test framework:

assert await source_faults(MyOrigin()) == ()
"""

from pilotman.retrieval.sources.conformance import Origin, source_faults

__all__ = ["Origin", "source_faults"]
