"""``pilotman``, also as ``python -m pilotman``: what is interrupted while it is being loaded ends quietly."""

from __future__ import annotations

import os
import signal
from types import FrameType

INTERRUPTED = 130


def main() -> None:
    """Entry point. Until a command begins its work there is nothing to undo: an interrupt just ends it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else somebody ignores it, as nohup
        signal.signal(signal.SIGINT, _leave)
    from pilotman.supervisor.cli import main as command

    command()


def _leave(number: int, frame: FrameType | None) -> None:
    del number, frame
    os.write(2, b"pilotman: interrupted before it began\n")
    os._exit(INTERRUPTED)  # an exception in the middle of an import may come out as another one


if __name__ == "__main__":
    main()
