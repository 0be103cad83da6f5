"""What a tuner chose for an index, beside its files."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path

from pilotman.retrieval.config import IndexConfig
from pilotman.retrieval.vectors.checksum import intact, summed
from pilotman.retrieval.vectors.table import sync_folder

FILE = "settings.json"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Clusters that are probed and candidates a result that are ranked again, for an index of ``nlist``
    clusters (None: any)."""

    nprobe: int
    k_factor: float
    nlist: int | None = None

    def fits(self, nlist: int) -> bool:
        """Whether they were chosen for so many clusters."""
        return self.nlist in (None, nlist)

    def write(self, folder: Path) -> None:
        """Keep them in a folder; a reader sees these or the former ones."""
        aside = folder / f".{FILE}"
        with aside.open("w") as file:
            file.write(summed(asdict(self)))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(folder / FILE)
        sync_folder(folder)


def kept(folder: Path | None) -> Settings | None:
    """The settings of a folder; None where there are none, or none that can be read."""
    if folder is None or not (folder / FILE).is_file():
        return None
    body = intact((folder / FILE).read_bytes())
    if body is None or set(body) != {"nprobe", "k_factor", "nlist"}:
        return None
    return Settings(nprobe=body["nprobe"], k_factor=body["k_factor"], nlist=body["nlist"])


def default(config: IndexConfig) -> Settings:
    """What the configuration says."""
    return Settings(nprobe=config.nprobe, k_factor=config.k_factor)
