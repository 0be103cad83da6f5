"""Calls that may never return: synchronous functions in daemon threads, coroutines with a hard time limit.

A thread cannot be stopped and a coroutine may swallow its cancellation. Both are abandoned: the caller goes
on, and the process can exit although they never end. A function that computes for ever keeps taking its share
of the interpreter: CPython can raise an exception in its thread (``PyThreadState_SetAsyncExc``), but while
that waits for a thread that sleeps, all others are slowed down, and stand still under a tracer (3.11).
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import threading
from asyncio import CancelledError, Future
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from concurrent.futures import Future as ThreadFuture
from contextvars import Context, ContextVar, copy_context
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, ParamSpec, TypeVar, cast

from pilotman.guardrails.errors import Unavailable

P = ParamSpec("P")
R = TypeVar("R")

GRACE = 0.05
"""Seconds that a cancelled coroutine has to clean up."""

# The bounded calls around the current code, outermost first: tasks that they start carry it too.
_SCOPES: ContextVar[tuple[object, ...]] = ContextVar("pilotman_scopes", default=())


class ThreadsExhausted(Unavailable):
    """Too many functions run or are stuck in threads. The one that was asked for was not started."""

    code = "threads_exhausted"


class Threads:
    """Daemon threads for functions that may never return; reused when they do.

    At most ``limit`` live threads, stuck ones included; at most ``idle`` wait for work, for ``idle_seconds``.
    Never asyncio's default executor, whose threads are joined at exit. One per supervisor; nothing needs to
    be closed.
    """

    def __init__(
        self, *, limit: int = 64, idle: int = 8, idle_seconds: float = 30.0, name: str = "pilotman-call"
    ) -> None:
        self._limit = limit
        self._max_idle = idle
        self._idle_seconds = idle_seconds
        self._name = name
        self._lock = threading.Lock()
        self._idle: list[SimpleQueue[Callable[[], None]]] = []
        self._live = 0

    @property
    def live(self) -> int:
        """Threads that run, are stuck or wait for work."""
        return self._live

    async def run(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call ``fn`` in a thread, with the caller's context variables; cancelled, it is left behind.

        Raises:
            ThreadsExhausted: no thread is free; ``fn`` was not called.
        """
        loop = asyncio.get_running_loop()
        outcome: Future[R] = loop.create_future()

        def deliver(result: R | None, error: BaseException | None) -> None:
            try:
                loop.call_soon_threadsafe(_settle, outcome, result, error)
            except RuntimeError:  # the loop is closed: nobody waits any more
                return

        self.start(partial(copy_context().run, partial(fn, *args, **kwargs)), deliver)
        return await outcome

    def start(
        self, fn: Callable[[], R], deliver: Callable[[R | None, BaseException | None], object], /
    ) -> None:
        """Call ``fn`` in a thread and hand its result or error to ``deliver``, in that thread.

        Raises:
            ThreadsExhausted: no thread is free; ``fn`` was not called.
        """
        job = partial(_perform, fn, deliver)
        with self._lock:
            if self._idle:
                self._idle.pop().put(job)
                return
            if self._live >= self._limit:
                raise ThreadsExhausted(
                    f"too many calls are stuck: {self._limit} threads are taken, this one was not started",
                    hint="find out which functions never return",
                )
            self._live += 1
        thread = threading.Thread(target=self._work, args=(job,), name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the system's own limit
            with self._lock:
                self._live -= 1
            raise ThreadsExhausted(f"no thread could be started ({error}); the call was not made") from error

    def _work(self, job: Callable[[], None]) -> None:
        queue: SimpleQueue[Callable[[], None]] = SimpleQueue()
        waiting: Callable[[], None] | None = job
        while waiting is not None:
            waiting()
            waiting = self._next(queue)

    def _next(self, queue: SimpleQueue[Callable[[], None]]) -> Callable[[], None] | None:
        with self._lock:
            if len(self._idle) >= self._max_idle:
                self._live -= 1
                return None
            self._idle.append(queue)
        try:
            return queue.get(timeout=self._idle_seconds)
        except Empty:
            with self._lock:
                if queue in self._idle:
                    self._idle.remove(queue)
                    self._live -= 1
                    return None
            return queue.get()  # it was handed work at the last moment

    def adopt(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let libraries that use ``loop``'s default executor inside a bounded call use these threads there.

        LangChain and LangGraph run synchronous models, tools and nodes in the default executor, whose
        threads are joined at exit. What the host itself sends there goes where it went before.
        """
        inner = getattr(loop, "_default_executor", None)  # asyncio has a setter only
        if isinstance(inner, _ScopedExecutor) or not hasattr(loop, "_default_executor"):
            return
        loop.set_default_executor(_ScopedExecutor(self, inner))


def _perform(fn: Callable[[], R], deliver: Callable[[R | None, BaseException | None], object]) -> None:
    try:
        result = fn()
    except (StopIteration, SystemExit, CancelledError, GeneratorExit) as error:
        # In a future these would mean something else to asyncio, or end the host.
        deliver(None, _as_error(error))
    except BaseException as error:
        deliver(None, error)
    else:
        deliver(result, None)


def _as_error(error: BaseException) -> RuntimeError:
    """An exception that ends more than a call, as an ordinary one."""
    try:
        words = f"it raised {type(error).__name__}({error})"
    except Exception:  # its own text may raise
        words = f"it raised {type(error).__name__}"
    wrapped = RuntimeError(words)
    wrapped.__cause__ = error
    return wrapped


def _settle(outcome: Future[R], result: R | None, error: BaseException | None) -> None:
    if outcome.done():
        return
    if error is None:
        outcome.set_result(cast("R", result))
    else:
        outcome.set_exception(error)


class _ScopedExecutor(ThreadPoolExecutor):
    """A default executor that sends work of bounded calls to daemon threads and the rest where it went."""

    def __init__(self, threads: Threads, inner: Executor | None) -> None:
        super().__init__()
        self._daemons = threads
        self._inner = inner

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> ThreadFuture[R]:
        if not _SCOPES.get():
            return (
                super().submit(fn, *args, **kwargs)
                if self._inner is None
                else self._inner.submit(fn, *args, **kwargs)
            )
        future: ThreadFuture[R] = ThreadFuture()

        def deliver(result: R | None, error: BaseException | None) -> None:
            if not future.set_running_or_notify_cancel():
                return
            if error is None:
                future.set_result(cast("R", result))
            else:
                future.set_exception(error)

        self._daemons.start(partial(fn, *args, **kwargs), deliver)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if self._inner is not None:
            self._inner.shutdown(wait=wait, cancel_futures=cancel_futures)
        super().shutdown(wait=wait, cancel_futures=cancel_futures)


async def bounded(awaitable: Awaitable[R], timeout: float, *, context: Context | None = None) -> R:
    """Await for at most ``timeout`` seconds, whatever the awaitable does with its cancellation.

    It runs in a task of its own, in ``context`` (default: a copy of the caller's). Cancelled after the
    timeout, or when the caller is, it has ``GRACE`` seconds to end; then it is abandoned, and neither the
    caller nor ``asyncio.run`` waits for it. A result that arrives within the grace counts.
    Code that blocks the event loop itself cannot be bounded: use ``Threads.run`` for it.

    Raises:
        TimeoutError: it did not end in time, at the latest ``GRACE`` after the timeout.
        RuntimeError: it raised what is no ``Exception`` (Ctrl-C apart), or cancelled itself.
    """
    if timeout <= 0:
        _discard(awaitable)
        raise TimeoutError("there was no time left; it was not started")
    scope = object()
    inside = copy_context() if context is None else context.copy()
    inside.run(_SCOPES.set, (*_SCOPES.get(), scope))
    task = asyncio.get_running_loop().create_task(_contained(awaitable), context=inside)
    try:
        await asyncio.wait((task,), timeout=timeout)
        timed_out = not task.done()
        if timed_out:
            await _stop(task, scope, awaitable)
    except CancelledError:
        if not task.done():
            await _stop(task, scope, awaitable)
        raise
    return _outcome(task, timeout, timed_out=timed_out)


def _outcome(task: asyncio.Task[R], timeout: float, *, timed_out: bool) -> R:
    if timed_out and not (task.done() and not task.cancelled() and task.exception() is None):
        cause = task.exception() if task.done() and not task.cancelled() else None
        raise TimeoutError(f"no answer within {timeout:g} s") from cause
    if task.cancelled():
        raise RuntimeError("it cancelled itself")
    error = task.exception()
    if error is not None and not isinstance(error, Exception | KeyboardInterrupt):
        raise _as_error(error)
    return task.result()


def _discard(awaitable: Awaitable[Any]) -> None:
    close = getattr(awaitable, "close", None) or getattr(awaitable, "cancel", None)
    if callable(close):
        close()


async def _contained(awaitable: Awaitable[R]) -> R:
    try:
        return await awaitable
    except SystemExit as error:  # sys.exit() in a tool must not end the host
        raise _as_error(error) from error


async def _stop(task: asyncio.Task[Any], scope: object, awaited: object) -> None:
    task.cancel()
    task.add_done_callback(_retrieve)
    try:
        await asyncio.wait((task,), timeout=GRACE)
    finally:
        _abandon(task, scope, awaited)


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Mark the exception as seen: nobody will ask for it."""
    if not task.cancelled():
        task.exception()


def _abandon(task: asyncio.Task[Any], scope: object, awaited: object) -> None:
    """Forget the task and those that it started and that still live: ``asyncio.run`` does not wait for them.

    A reference is leaked until such a task ends: were it collected, its coroutine would be closed, and one
    that swallows everything would then spin for ever inside the collector.
    """
    alive = asyncio.all_tasks(task.get_loop())
    for abandoned in {t for t in alive if t is task or t is awaited or scope in _scopes_of(t)}:
        reference = ctypes.py_object(abandoned)
        ctypes.pythonapi.Py_IncRef(reference)
        abandoned.add_done_callback(_release)
        abandoned._log_destroy_pending = False  # type: ignore[attr-defined]  # pyright: ignore
        asyncio.tasks._unregister_task(abandoned)  # pyright: ignore


def _release(task: asyncio.Task[Any]) -> None:
    _retrieve(task)
    ctypes.pythonapi.Py_DecRef(ctypes.py_object(task))


def _scopes_of(task: asyncio.Task[Any]) -> tuple[object, ...]:
    # ``Task.get_context`` is new in Python 3.12; before, only the collector sees the context.
    read = getattr(task, "get_context", None)
    found = [read()] if read is not None else [r for r in gc.get_referents(task) if isinstance(r, Context)]
    return found[0].get(_SCOPES, ()) if found else ()
