"""Words: what a text says in terms, who says it (BM25), and whether that is an answer."""
