"""LangChain's own standard suites for stores and retrievers, whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import RetrieversIntegrationTests, VectorStoreIntegrationTests
from tests.retrieval.conftest import HashEmbeddings

from pilotman.retrieval import FaissVectorStore
from pilotman.retrieval.retriever import StoreRetriever


@pytest.mark.anyio
class TestInMemory(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self) -> VectorStore:
        return FaissVectorStore(self.get_embeddings())


@pytest.mark.anyio
class TestOnDisk(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> Iterator[VectorStore]:
        store = FaissVectorStore(self.get_embeddings(), tmp_path)
        yield store
        store.close()


@pytest.mark.anyio
class TestRetriever(RetrieversIntegrationTests):
    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return StoreRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        embeddings: Embeddings = HashEmbeddings()
        documents = [Document(page_content=f"the disk number {n} is full") for n in range(5)]
        return {"vectorstore": FaissVectorStore.from_documents(documents, embeddings)}

    @property
    def retriever_query_example(self) -> str:
        return "which disk is full?"
