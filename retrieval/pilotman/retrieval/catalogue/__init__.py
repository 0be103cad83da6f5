"""What is stored beside the vectors: texts, metadata, readers, versions, tombstones; who may see what."""
