"""The one record that says what is committed."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any

from pilotman.guardrails.errors import ConfigurationError, CorruptIndex
from pilotman.retrieval.config import Metric

VERSION = 1
SLOT = 128
"""Bytes of one copy; the file holds two, written in turns: a torn write leaves the other."""

_MAGIC = b"PilotmnV"
_METRICS: tuple[Metric, ...] = ("cosine", "dot")
_FIELDS = struct.Struct("<8sIIIQQQQQ")


@dataclass(frozen=True, kw_only=True)
class Header:
    """What is committed: ``count`` rows, ``erased`` marks in the log of deaths, of which the vectors of the
    first ``cleared`` are overwritten, and the ``epoch`` that serves (0: none). Each change adds one to
    ``sequence``.
    """

    dimensions: int
    metric: Metric
    sequence: int = 0
    count: int = 0
    erased: int = 0
    cleared: int = 0
    epoch: int = 0

    def packed(self) -> bytes:
        """One slot, with its checksum."""
        counts = (self.sequence, self.count, self.erased, self.cleared, self.epoch)
        body = _FIELDS.pack(_MAGIC, VERSION, self.dimensions, _METRICS.index(self.metric), *counts)
        body = body.ljust(SLOT - 4, b"\0")
        return body + struct.pack("<I", zlib.crc32(body))

    def expect(self, dimensions: int, metric: Metric) -> None:
        """Refuse to be read as something else.

        Raises:
            ConfigurationError: the index was made for another model or metric.
        """
        if self.dimensions != dimensions:
            raise ConfigurationError(
                f"the index holds vectors of {self.dimensions} dimensions, the model gives {dimensions}",
                hint="the embedding model changed: take a new folder and index again, or the former model",
            )
        if self.metric != metric:
            raise ConfigurationError(
                f"the index was made for the metric {self.metric!r}, not {metric!r}",
                hint="take a new folder, or the former metric",
            )


def read(raw: bytes, where: str) -> Header:
    """The newer intact slot of ``raw``.

    Raises:
        CorruptIndex: neither slot is intact, or it is not ours, or of a newer version.
    """
    found = [slot for start in (0, SLOT) if (slot := _slot(raw[start : start + SLOT], where))]
    if not found:
        raise CorruptIndex(
            f"{where} is damaged or not an index of Pilotman; it was left untouched",
            hint="restore it from a backup, or take an empty folder and index the documents again",
        )
    return max(found, key=lambda header: header.sequence)


def _slot(raw: bytes, where: str) -> Header | None:
    if len(raw) != SLOT or struct.unpack("<I", raw[-4:])[0] != zlib.crc32(raw[:-4]):
        return None
    fields: tuple[Any, ...] = _FIELDS.unpack_from(raw)
    magic, version, dimensions, metric, sequence, count, erased, cleared, epoch = fields
    if magic != _MAGIC:
        return None
    if version > VERSION or int(metric) >= len(_METRICS):
        raise CorruptIndex(
            f"{where} has format {version}, this package reads up to {VERSION}; it was left untouched",
            hint="it was written by a newer version of Pilotman: use that one",
        )
    return Header(
        dimensions=dimensions,
        metric=_METRICS[int(metric)],
        sequence=sequence,
        count=count,
        erased=erased,
        cleared=cleared,
        epoch=epoch,
    )
