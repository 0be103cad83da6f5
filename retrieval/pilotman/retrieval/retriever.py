"""A store, or a corpus, as a LangChain retriever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStoreRetriever


class StoreRetriever(VectorStoreRetriever):
    """LangChain's own, whose ``k`` may also be given when it is made: ``store.as_retriever(k=2)``."""

    k: int | None = None

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        return super()._get_relevant_documents(query, run_manager=run_manager, **self._with_k(kwargs))

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        with_k = self._with_k(kwargs)
        return await super()._aget_relevant_documents(query, run_manager=run_manager, **with_k)

    def _with_k(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        return kwargs if self.k is None else {"k": self.k, **self.search_kwargs, **kwargs}


class CorpusRetriever(BaseRetriever):
    """A corpus's search for one principal. Made by ``Corpus.as_retriever``; ``invoke`` is for code that runs
    in no event loop."""

    find: Callable[[str], Awaitable[Sequence[Document]]]

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002
    ) -> list[Document]:
        async def found() -> list[Document]:
            return [*await self.find(query)]

        return asyncio.run(found())

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,  # noqa: ARG002
    ) -> list[Document]:
        return [*await self.find(query)]
