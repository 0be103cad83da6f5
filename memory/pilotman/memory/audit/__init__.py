"""Whether the journal is as it was written: chains, blocks, anchors kept outside."""
