"""The asyncio client: connects, connects again, and gives typed messages."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from focusloop_client.conversation import SUBPROTOCOL, Conversation
from focusloop_client.errors import AccessDeniedError, ClientError
from focusloop_client.messages import Difficulty, Focus, Message, Neurofeedback, Other

FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 5.0
STALE_S = 2.0
"""A focus score that is older is shown to nobody: `focus` is None then."""

TICK_S = 0.05
CLOSE_WITHIN_S = 2.0
MAX_HELD = 10_000
"""Messages held for a program that does not read; the oldest focus scores go first, and are counted."""

_log = logging.getLogger("focusloop_client")


class AsyncClient:
    """A client for asyncio programs.

    ```
    async with AsyncClient("ws://127.0.0.1:8765", token="…") as loop:
        loop.subscribe("focus", "difficulty")
        async for message in loop:
            ...
    ```

    Parameters
    ----------
    url
        `ws://host:port`, `http://…` is taken for it; the path is added.
    token
        The operator's, or a participant's.
    stream
        Participant that trials are for and that is listened to; None where the service has only one.
    client
        Name and version of the program.
    """

    def __init__(
        self,
        url: str = "ws://127.0.0.1:8765",
        token: str | None = None,
        *,
        stream: str | None = None,
        client: str = "focusloop-client-python/0.1.0",
    ) -> None:
        base = url.replace("http", "ws", 1) if url.startswith("http") else url
        self._url = base.rstrip("/").removesuffix("/v1/ws") + "/v1/ws"
        self._stream = stream
        self._talk = Conversation(token, client)
        self._held: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self._to_send = asyncio.Event()
        self._settled = asyncio.Event()
        self._failure: ClientError | None = None
        self._closed = False
        self._running: asyncio.Task[None] | None = None
        self._focus: dict[str, tuple[Focus, float]] = {}
        self._difficulty: dict[str, Difficulty] = {}
        self.connections = 0
        """How often a connection was welcomed."""
        self.dropped = 0
        """Focus scores, and moments of neurofeedback without a reward, that the program was too slow to read."""

    async def __aenter__(self) -> AsyncClient:
        """Begin to connect; the service need not be there yet."""
        self._running = asyncio.create_task(self._run(), name="focusloop client")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self._closed = True
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        self._wake()

    # What the program asks

    @property
    def run(self) -> str:
        """What names this run: made at random, so that no two programs ever send the same trial."""
        return self._talk.run

    @property
    def connected(self) -> bool:
        """True while the service listens."""
        return self._talk.ready

    @property
    def unacknowledged(self) -> int:
        """Trials that the service has not acknowledged."""
        return self._talk.unacknowledged

    @property
    def missed(self) -> int:
        """Numbered messages that never came."""
        return self._talk.missed

    def focus(self, stream: str | None = None) -> Focus | None:
        """Give the newest focus score; None where there is none, or it is older than 2 s."""
        found = self._focus.get(self._of(stream))
        if found is None or time.monotonic() - found[1] > STALE_S:
            return None
        return found[0]

    def difficulty(self, stream: str | None = None) -> Difficulty | None:
        """Give the newest difficulty; None before there was one."""
        return self._difficulty.get(self._of(stream))

    def subscribe(self, *topics: str, stream: str | None = None, rate_hz: float | None = None) -> None:
        """Listen to topics, on this connection and each later one; what was missed in between is asked for.

        Parameters
        ----------
        topics
            Of `docs/protocol.md`. Those of a stream that is not there yet are asked for again until it is.
        stream
            Participant; the client's own by default. `"*"`, and the default where the client has none, is everyone.
        rate_hz
            At most so many messages a second; all of them by default.
        """
        self._talk.subscribe(*topics, stream=stream or self._stream or "*", rate_hz=rate_hz)
        self._to_send.set()

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
        """Send an answered trial; it is sent again until the service has acknowledged it. Gives its number.

        A trial for a stream that the service does not have is kept, too: the program gets one `Refused`, and the stream
        is asked for every 5 s. What is not acknowledged when the program ends is lost.

        Parameters
        ----------
        correct
            Whether the answer was right.
        rt_ms
            Reaction time; None where it was not measured.
        stream
            Participant; the client's own by default.
        task, block
            What is being done.
        level
            Level that the trial was done at; the newest one heard by default.

        Raises
        ------
        ClientError
            If nobody has said which participant, too many trials wait, or the service does not let this client in.
        ValueError, TypeError
            If a number is not finite, or nothing that JSON holds.
        """
        self._check()
        name = self._of(stream)
        if not name:
            msg = "which participant? Give stream=… to the client or to trial()"
            raise ClientError(msg)
        heard = self._difficulty.get(name)
        done_at = level if level is not None else heard.level if heard is not None else None
        fields = {"stream": name, "task": task, "block": block, "correct": correct, "rt_ms": rt_ms, "level": done_at}
        number = self._talk.trial({key: value for key, value in fields.items() if value is not None}, _now_ms())
        self._settled.clear()
        self._to_send.set()
        return number

    def drop(self, trial: int) -> None:
        """Let go of a trial that is not acknowledged: it is not sent again."""
        self._talk.drop(trial)
        if not self._talk.unacknowledged:
            self._settled.set()

    def marker(self, label: str, *, stream: str | None = None) -> None:
        """Say that something happened, now; everyone who listens to `marker` hears it. Not sent again if it is lost.

        Raises
        ------
        ClientError
            If nobody has said for which participant, or the service does not let this client in.
        """
        self._check()
        name = self._of(stream)
        if not name:
            msg = "which participant? Give stream=… to the client or to marker()"
            raise ClientError(msg)
        self._talk.say({"type": "marker", "stream": name, "label": label, "t_client_ms": _now_ms()})
        self._to_send.set()

    async def settle(self, timeout_s: float | None = None) -> bool:
        """Wait until every trial is acknowledged; False where time ran out, or the client was closed.

        Raises
        ------
        AccessDeniedError
            If trials are owed and the service does not let this client in.
        """
        if self._talk.unacknowledged and self._failure is None and not self._closed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._settled.wait()
        if self._talk.unacknowledged:
            self._check()
        return not self._talk.unacknowledged

    async def receive(self, timeout_s: float | None = None) -> Message | None:
        """Give the next message; None where none came in time, or the client was closed.

        Raises
        ------
        AccessDeniedError
            If the service does not let this client in.
        """
        while not self._held:
            self._check()
            if self._closed:
                return None
            self._arrived.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._arrived.wait()
            except TimeoutError:
                return None
        return self._held.popleft()

    async def __aiter__(self) -> AsyncIterator[Message]:
        """Give messages as they come, until the client is closed."""
        while (message := await self.receive()) is not None:
            yield message

    # Inside

    def _of(self, stream: str | None) -> str:
        known = self._talk.streams
        return stream or self._stream or (str(known[0]["id"]) if len(known) == 1 else "")

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _wake(self) -> None:
        self._arrived.set()
        self._settled.set()

    async def _run(self) -> None:
        try:
            await self._stay_connected()
        except AccessDeniedError as error:
            self._failure = error
        except Exception as error:  # whatever it was, the program learns of it where it asks next
            self._failure = ClientError(f"the client has failed: {error!r}")
            self._failure.__cause__ = error
        self._wake()

    async def _stay_connected(self) -> None:
        wait_s = FIRST_WAIT_S
        while True:
            before = self.connections
            await self._connection()
            if self.connections > before:
                wait_s = FIRST_WAIT_S
            await asyncio.sleep(wait_s * (0.75 + 0.5 * random.random()))  # noqa: S311 - spreads clients, hides nothing
            wait_s = min(LONGEST_WAIT_S, wait_s * 2.0)

    async def _connection(self) -> None:
        try:
            connection = await connect(
                self._url,
                subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]
                max_size=None,
                max_queue=None,  # a paused connection would never read the service's close frame
                open_timeout=5.0,
                close_timeout=CLOSE_WITHIN_S,
            )
        except (OSError, TimeoutError, InvalidHandshake) as error:
            if isinstance(error, InvalidStatus) and error.response.status_code in (401, 403, 404):
                msg = f"{self._url} answers {error.response.status_code}: is this the address of a focusloop service?"
                raise AccessDeniedError(msg) from error
            return
        self._talk.opened(_now_ms())
        sending = asyncio.create_task(self._send(connection))
        try:
            async for text in connection:
                self._take(text)
        except ConnectionClosed:
            pass
        finally:
            self._talk.lost()
            sending.cancel()
            ended = await asyncio.gather(sending, return_exceptions=True)
            with contextlib.suppress(OSError):
                await connection.close()
        for error in ended:
            if isinstance(error, Exception):
                raise error
        self._talk.closed(connection.close_code, connection.close_reason or "")

    async def _send(self, connection: ClientConnection) -> None:
        try:
            while True:
                self._to_send.clear()
                self._talk.tick(_now_ms())
                for text in self._talk.outgoing():
                    await connection.send(text)
                with contextlib.suppress(TimeoutError):  # `wait_for` of Python 3.11 may lose a cancellation
                    async with asyncio.timeout(TICK_S):
                        await self._to_send.wait()
        except ConnectionClosed:
            return
        except Exception:
            connection.transport.abort()  # the reader ends, too: nobody is connected who cannot send
            raise

    def _take(self, text: str | bytes) -> None:
        message = self._talk.receive(text, _now_ms())
        self._to_send.set()
        if message is None:
            return
        if isinstance(message, Focus):
            if message.simulated and message.stream not in self._focus:
                _log.warning("SIMULATED: the scores of '%s' come from no live headset", message.stream)
            self._focus[message.stream] = (message, time.monotonic())
        elif isinstance(message, Difficulty):
            self._difficulty[message.stream] = message
        elif isinstance(message, Other) and message.type == "welcome":
            self.connections += 1
        if not self._talk.unacknowledged:
            self._settled.set()
        if len(self._held) >= MAX_HELD:
            self._make_room()
        self._held.append(message)
        self._arrived.set()

    def _make_room(self) -> None:
        for index, message in enumerate(self._held):
            if isinstance(message, Focus) or (isinstance(message, Neurofeedback) and not message.rewarded):
                del self._held[index]
                self.dropped += 1
                return
        self._held.popleft()
        self.dropped += 1


def _now_ms() -> float:
    return time.monotonic() * 1e3
