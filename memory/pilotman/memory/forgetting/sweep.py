"""What is over goes: runs, facts and items whose time to be kept has ended, a few at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from pilotman.guardrails.errors import Unavailable
from pilotman.memory.facts.tables import facts
from pilotman.memory.forgetting.archive import Archive
from pilotman.memory.forgetting.order import Order
from pilotman.memory.forgetting.stores import FactStore, ItemStore, RunStore
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.records import ENDED
from pilotman.memory.retention import Retention
from pilotman.memory.selector import Selector
from pilotman.memory.storage.codec import micros, moment
from pilotman.memory.storage.schema import runs
from pilotman.memory.store.rows import sweep as sweep_items

AT_ONCE = 100
"""Things that are looked up at a time."""
