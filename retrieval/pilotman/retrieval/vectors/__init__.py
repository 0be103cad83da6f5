"""Vectors by row: FAISS under bitmaps of allowed rows, on disk or in memory. Knows nothing of documents."""

from pilotman.retrieval.vectors.allowed import Allowed, Bitmap, Scores
from pilotman.retrieval.vectors.index import VectorIndex

__all__ = ["Allowed", "Bitmap", "Scores", "VectorIndex"]
