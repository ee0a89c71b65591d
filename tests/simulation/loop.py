"""An asyncio event loop whose clock jumps to its next timer: a night passes in milliseconds, always
in the same order.

It does no real I/O and has no threads. If a real loop would wait forever, or never end, this one
raises an error."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context
from typing import Any, NoReturn, TypeVar, TypeVarTuple
from warnings import catch_warnings, simplefilter

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

JUMP_S = 1e-6
"""Each jump adds this, because a task that wakes a rounding error too early and sleeps again would
never get further."""

MOST_STEPS = 3_000_000
"""Callbacks of one run. A run that needs more is in an endless loop."""

LONGEST_RUN_S = 3 * 86_400.0
"""Simulated seconds. No run has a reason to take longer."""


class StuckError(Exception):
    """The run waits for something that never happens, is in an endless loop, or takes days."""


class Crash(BaseException):
    """The process died here."""


class _Task(asyncio.Task[Any]):
    """A task whose place in a set follows from its number, because anyio cancels tasks in the order
    of a set."""

    def __init__(self, number: int, *args: Any, **kwargs: Any) -> None:
        self.number = number
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self.number


class SimulatedLoop(asyncio.BaseEventLoop):
    """One process's time, from `start` on (the monotonic clock's seconds)."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self._now = start
        self._ends = start + LONGEST_RUN_S
        self._soon: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = 0
        self._steps = 0
        self._done = False
        self.dead = False
        self.set_task_factory(self._new_task)
        self.set_exception_handler(lambda _loop, _context: None)

    def _new_task(self, _loop: asyncio.AbstractEventLoop, coroutine: Any, **kwargs: Any) -> _Task:
        return _Task(self._number(), coroutine, loop=self, **kwargs)

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def time(self) -> float:
        return self._now

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._soon.append(handle)
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, self._number(), handle))
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def drive(self, main: Coroutine[Any, Any, T]) -> T:
        """Run `main` to its end. Raises Crash if the process dies, and StuckError."""
        task = self.begin(main)
        self.run_forever()
        if self.dead:
            raise Crash
        return task.result()

    def begin(self, main: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin `main`, for `step` to run."""
        task = self.create_task(main)
        task.add_done_callback(self._finished)
        return task

    @property
    def over(self) -> bool:
        """Whether `main` has ended, or the process died."""
        return self._done or self.dead

    def due(self) -> float:
        """When there is something to do next. Raises StuckError if that is never."""
        if self._soon:
            return self._now
        self._drop_cancelled()
        return max(self._now, self._timers[0][0])

    def step(self, now: float) -> None:
        """Run what is ready at `now`, or next after it."""
        self._now = max(self._now, now)
        self.stop()  # after one round
        self.run_forever()

    def _finished(self, _task: object) -> None:
        self._done = True
        self.stop()

    async def die(self) -> NoReturn:
        """End the process here: nothing of it runs any more."""
        self.dead = True
        self.stop()
        await self.create_future()
        raise AssertionError("unreachable: a dead process goes nowhere")

    def die_at(self, when: float) -> None:
        """End the process at this time, whatever it is doing."""

        def strike() -> None:
            self.dead = True
            self.stop()

        self.call_at(when, strike)

    def bury(self) -> None:
        """Drop what is left of every task. `finally` blocks run now, when the database and the API
        are already unusable; otherwise they would run whenever they are collected."""
        self.dead = True
        for task in sorted(asyncio.all_tasks(self), key=hash):
            coroutine = task.get_coro()
            with suppress(BaseException), catch_warnings():
                simplefilter("ignore")  # some have not begun
                if coroutine is not None:
                    coroutine.close()
        self._soon.clear()
        self._timers.clear()
        self.close()

    def _run_once(self) -> None:
        """One round of `run_forever`: what is ready, or else the next timer."""
        if not self._soon:
            self._jump()
        for _ in range(len(self._soon)):
            handle = self._soon.popleft()
            if not handle.cancelled():
                handle._run()
            if self.dead or self._done:
                return
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise StuckError(f"the run goes round in circles: {MOST_STEPS} rounds")

    def _drop_cancelled(self) -> None:
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        if not timers:
            raise StuckError("the run waits for what never comes: no timer is set")

    def _jump(self) -> None:
        timers = self._timers
        self._drop_cancelled()
        self._now = max(self._now, timers[0][0]) + JUMP_S
        if self._now > self._ends:
            raise StuckError(f"the run has taken {LONGEST_RUN_S / 86_400:.0f} days")
        while timers and timers[0][0] <= self._now:
            self._soon.append(heapq.heappop(timers)[2])
