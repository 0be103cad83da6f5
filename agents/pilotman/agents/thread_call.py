"""One call of a function in a thread, which can be interrupted when nobody waits for it any more.

A thread cannot be stopped, but CPython raises an exception in another thread before its next instruction
(``PyThreadState_SetAsyncExc`` of the C API). That ends a function that computes for ever; one that sleeps in
the system, or swallows everything, it does not.
"""

from __future__ import annotations

import ctypes
import threading
from asyncio import CancelledError
from collections.abc import Callable
from typing import Any, Generic, TypeVar

R = TypeVar("R")


class Interrupted(BaseException):
    """Raised inside a function that was left behind. No error: ``except Exception`` does not stop it."""


class ThreadCall(Generic[R]):
    """A call to be made once, in whatever thread calls this object; it then raises nothing."""

    def __init__(
        self, fn: Callable[[], R], deliver: Callable[[R | None, BaseException | None], object]
    ) -> None:
        self._fn = fn
        self._deliver = deliver
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._left = self._over = False

    def __call__(self) -> None:
        result: R | None = None
        error: BaseException | None = None
        try:
            result, error = self._outcome()
            self._close()
        except Interrupted as late:  # sent before the function had ended, and come after
            error = as_error(late)
            self._close()
        self._deliver(result, error)

    def interrupt(self) -> None:
        """End the function, if it still runs and executes Python code. From any thread."""
        with self._lock:
            if self._left or self._over:
                return
            self._left = True
            if self._thread is not None:
                _send(self._thread, ctypes.py_object(Interrupted))

    def _outcome(self) -> tuple[R | None, BaseException | None]:
        try:
            with self._lock:
                if self._left:
                    raise Interrupted
                self._thread = threading.get_ident()
            return self._fn(), None
        except (StopIteration, SystemExit, CancelledError, GeneratorExit, Interrupted) as error:
            # In a future these would mean something else to asyncio, or end the host.
            return None, as_error(error)
        except BaseException as error:
            return None, error

    def _close(self) -> None:
        """From here on nothing comes, though it was sent: other calls use the thread."""
        with self._lock:
            self._over = True
            if self._left:
                _send(threading.get_ident(), None)


def as_error(error: BaseException) -> RuntimeError:
    """An exception that ends more than a call, as an ordinary one."""
    try:
        words = f"it raised {type(error).__name__}({error})"
    except Exception:  # its own text may raise
        words = f"it raised {type(error).__name__}"
    wrapped = RuntimeError(words)
    wrapped.__cause__ = error
    return wrapped


def _send(thread: int, exception: Any) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), exception)
