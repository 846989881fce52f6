"""The client for programs with a loop of their own: games, PsychoPy. One thread of its own does the talking."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TypeVar

from focusloop_client.aio import AsyncClient
from focusloop_client.messages import Difficulty, Focus, Message

_T = TypeVar("_T")


class Client:
    """A client that any thread may ask at any time; nothing it does waits for the network but `settle`.

    ```
    with Client("ws://127.0.0.1:8765", token="…") as loop:
        loop.subscribe("focus", "difficulty")
        for message in loop:
            ...
    ```

    Parameters
    ----------
    url, token, stream, client
        As for `AsyncClient`.
    """

    def __init__(
        self,
        url: str = "ws://127.0.0.1:8765",
        token: str | None = None,
        *,
        stream: str | None = None,
        client: str = "focusloop-client-python/0.1.0",
    ) -> None:
        self._make = lambda: AsyncClient(url, token, stream=stream, client=client)
        self._started = threading.Event()

    def __enter__(self) -> Client:
        """Begin to connect; the service need not be there yet."""
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), name="focusloop client", daemon=True)
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        async with self._make() as self._inner:
            self._started.set()
            await self._stop.wait()

    # What the program asks

    @property
    def run(self) -> str:
        """What names this run: made at random."""
        return self._inner.run

    @property
    def connected(self) -> bool:
        """True while the service listens."""
        return self._inner.connected

    @property
    def connections(self) -> int:
        """How often a connection was welcomed."""
        return self._inner.connections

    @property
    def unacknowledged(self) -> int:
        """Trials that the service has not acknowledged."""
        return self._inner.unacknowledged

    @property
    def missed(self) -> int:
        """Numbered messages that never came."""
        return self._inner.missed

    def focus(self, stream: str | None = None) -> Focus | None:
        """Give the newest focus score; None where there is none, or it is older than 2 s."""
        return self._inner.focus(stream)

    def difficulty(self, stream: str | None = None) -> Difficulty | None:
        """Give the newest difficulty; None before there was one."""
        return self._inner.difficulty(stream)

    def subscribe(self, *topics: str, stream: str | None = None, rate_hz: float | None = None) -> None:
        """Listen to topics, as `AsyncClient.subscribe`."""
        self._do(lambda: self._inner.subscribe(*topics, stream=stream, rate_hz=rate_hz))

    def trial(
        self,
        correct: bool,
        rt_ms: float | None = None,
        *,
        stream: str | None = None,
        task: str = "",
        block: int | None = None,
        level: float | None = None,
    ) -> int:
        """Send an answered trial, as `AsyncClient.trial`; gives its number."""
        return self._do(lambda: self._inner.trial(correct, rt_ms, stream=stream, task=task, block=block, level=level))

    def drop(self, trial: int) -> None:
        """Let go of a trial that is not acknowledged, as `AsyncClient.drop`."""
        self._do(lambda: self._inner.drop(trial))

    def marker(self, label: str, *, stream: str | None = None) -> None:
        """Say that something happened, now, as `AsyncClient.marker`."""
        self._do(lambda: self._inner.marker(label, stream=stream))

    def settle(self, timeout_s: float | None = None) -> bool:
        """Wait until every trial is acknowledged, as `AsyncClient.settle`; False where time ran out."""
        return asyncio.run_coroutine_threadsafe(self._inner.settle(timeout_s), self._loop).result()

    def receive(self, timeout_s: float | None = None) -> Message | None:
        """Give the next message; None where none came in time, or the client is closed.

        Raises
        ------
        AccessDeniedError
            If the service does not let this client in.
        """
        if not self._thread.is_alive():
            return None
        return asyncio.run_coroutine_threadsafe(self._inner.receive(timeout_s), self._loop).result()

    def __iter__(self) -> Iterator[Message]:
        """Give messages as they come, until the client is closed."""
        while (message := self.receive()) is not None:
            yield message

    def _do(self, work: Callable[[], _T]) -> _T:
        async def there() -> _T:
            return work()

        return asyncio.run_coroutine_threadsafe(there(), self._loop).result()
