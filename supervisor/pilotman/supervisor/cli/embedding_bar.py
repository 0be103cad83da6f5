"""How far the embeddings of many passages are, on one line of a terminal."""

from __future__ import annotations

from rich.console import Console

_MANY = 256
"""Passages below which nothing is shown: they take a moment."""
_BAR = 30


class EmbeddingBar:
    """A ``progress`` of a corpus. Nothing is written where nobody watches."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown = False

    def __call__(self, done: int, of: int) -> None:
        """So many passages of so many have their vectors."""
        if not self._console.is_terminal or (of < _MANY and not self._shown):
            return
        full = round(_BAR * done / of)
        self._shown = done < of
        self._console.print(
            f"{'█' * full}{'░' * (_BAR - full)} {done:,} of {of:,} passages embedded",
            end="\r" if self._shown else "\n",
            highlight=False,
            soft_wrap=True,
        )
