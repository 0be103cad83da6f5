"""Second door: what a provenance graph of your own must hold, tried out. Needs no test framework:

assert await graph_faults(MyGraph()) == ()
"""

from pilotman.memory.provenance.conformance import graph_faults
from pilotman.memory.provenance.graph import Edge, Graph, Node, Subgraph

__all__ = ["Edge", "Graph", "Node", "Subgraph", "graph_faults"]
