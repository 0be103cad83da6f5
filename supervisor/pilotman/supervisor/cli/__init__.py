"""The command line: ``pilotman``."""

from pilotman.supervisor.cli.app import main

__all__ = ["main"]
