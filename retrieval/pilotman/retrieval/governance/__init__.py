"""The governance experiment: what stores serve although it was deleted, changed or forbidden."""

from pilotman.retrieval.governance.experiment import measure
from pilotman.retrieval.governance.report import Report, Row, Wrong

__all__ = ["Report", "Row", "Wrong", "measure"]
