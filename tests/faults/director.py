"""Who says what goes wrong: the worker asks before and after every effect, and the test answers.

What was asked and answered is kept on the test's side, so it survives the worker that is killed by the answer.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self

When = Literal["before", "after", "refused"]
"""``after``: the port has done it. ``refused``: it has raised an error of the domain."""
Do = Literal["go", "kill", "fail", "refuse", "slow", "hold"]
"""``kill``: the worker ends at once (SIGKILL). ``fail``: the call is reported as unanswered, ``refuse``: as refused; after
the effect both are lies. ``slow``: the call takes longer than its attempt may. ``hold``: the call waits until the test lets it go, whatever the worker thinks of it meanwhile."""


TOO_SLOW = 3.0
"""Seconds: more than ``tests.faults.worker.STEP``."""


@dataclass(frozen=True)
class Moment:
    """The worker is about to call a port, or has just called it. ``nth`` counts them, per onboarding, from 1."""

    call: str
    when: When
    onboarding: str
    nth: int


@dataclass(eq=False)
class Cue:
    """What is to happen at certain moments. ``onboarding`` and ``call`` narrow them; ``left`` is how often it still does."""

    call: str
    when: When
    do: Do
    onboarding: str | None
    left: int
    fired: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def meets(self, moment: Moment) -> bool:
        named = self.onboarding in {None, moment.onboarding}
        return self.left > 0 and named and (self.call, self.when) == (moment.call, moment.when)


class Director:
    """Answers workers on a port of its own. ``chance`` decides where no cue does."""

    def __init__(self) -> None:
        self._cues: list[Cue] = []
        self._seen: Counter[tuple[str, When, str]] = Counter()
        self._began = time.monotonic()
        self._connections: set[asyncio.Task[None]] = set()
        self.chance: Callable[[Moment], Do] | None = None
        self.trace: list[tuple[float, Moment, Do]] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    @property
    def port(self) -> int:
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def cue(self, call: str, when: When, do: Do, onboarding: str | None = None, times: int = 1) -> Cue:
        """Let this happen the next ``times`` times."""
        cue = Cue(call, when, do, onboarding, times)
        self._cues.append(cue)
        return cue

    def times(self, call: str, when: When = "after", onboarding: str | None = None) -> int:
        """How often a port was called (``before``), or had done what it was asked (``after``)."""
        return sum(
            count
            for (name, moment, about), count in self._seen.items()
            if (name, moment) == (call, when) and onboarding in {None, about}
        )

    def faults(self) -> Counter[Do]:
        """How often each kind of fault has happened."""
        return Counter(do for _, _, do in self.trace if do != "go")

    def story(self, onboarding: str | None = None) -> str:
        """The trace, for a person: all of it, or what concerns one onboarding and what went wrong elsewhere."""
        return "\n".join(
            f"{at:8.3f} {moment.onboarding[:8]} {moment.when:6} {moment.call} #{moment.nth} {do.upper() if do != 'go' else ''}"
            for at, moment, do in self.trace
            if onboarding in {None, moment.onboarding} or do == "kill"
        )

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own: asyncio complains about its own ones if they are cancelled.
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                call, when, onboarding = json.loads(line)
                answer = await self._decide(call, when, onboarding)
                writer.write(answer.encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            pass  # the worker is dead, probably of our answer
        finally:
            writer.close()

    async def _decide(self, call: str, when: When, onboarding: str) -> Do:
        self._seen[call, when, onboarding] += 1
        moment = Moment(call, when, onboarding, self._seen[call, when, onboarding])
        cue = next((cue for cue in self._cues if cue.meets(moment)), None)
        do: Do = cue.do if cue else self.chance(moment) if self.chance else "go"
        self.trace.append((time.monotonic() - self._began, moment, do))
        if cue is None:
            if do != "slow":
                return do
            await asyncio.sleep(TOO_SLOW)
            return "go"
        cue.left -= 1
        cue.fired += 1
        cue.reached.set()
        if do == "hold":
            await cue.released.wait()
            return "go"
        return do
