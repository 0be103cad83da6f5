"""Floor 2: documents of several sources, searched under permissions, with snapshots to cite."""

from pilotman.retrieval.config import IndexConfig
from pilotman.retrieval.corpus import Corpus
from pilotman.retrieval.objective import Objective
from pilotman.retrieval.snapshot import Snapshot
from pilotman.retrieval.source import Source
from pilotman.retrieval.sources.folder import FolderSource
from pilotman.retrieval.sources.git import GitSource
from pilotman.retrieval.sources.http import HTTPSource
from pilotman.retrieval.sources.sql import SQLSource
from pilotman.retrieval.store import FaissVectorStore

__all__ = [
    "Corpus",
    "FaissVectorStore",
    "FolderSource",
    "GitSource",
    "HTTPSource",
    "IndexConfig",
    "Objective",
    "SQLSource",
    "Snapshot",
    "Source",
]
