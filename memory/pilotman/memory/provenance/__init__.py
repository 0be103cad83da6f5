"""Where everything came from: a graph in the terms of W3C PROV."""
