"""A client of the live updates, for `pos listen`; also an example of how a client resumes after a disconnect."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import orjson
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from app.refusals import Refused
from schemas.live.protocol import SUBPROTOCOL
from schemas.text.safe_addresses import PERCENT_ENCODE, is_web_address, safe_address

Json = dict[str, Any]

#: Close codes after which another attempt cannot succeed, with the reason.
FINAL: Final = {
    1009: "a message was too large",
    4400: "the subscription is wrong",
    4401: "not signed in: the token is missing, unknown or revoked. Set POS_TOKEN",
    4403: "this sign-in, or this origin, may not listen there",
    4431: "the sign-in has expired. Sign in again, or take a device's key, which lasts",
}
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 15.0
_JITTER: Final = (0.5, 1.5)
_OPEN_SECONDS: Final = 10.0
_NO_SERVICE: Final = (
    "This is not an address of a service. Write it like https://shop.example.com; where it has credentials, "
    f"{PERCENT_ENCODE}."
)


class ListeningRefused(Refused):
    """The service refuses this client; the message says why."""


class Listener:
    """The events of a service, each once and in order, over any number of connections.

    :param url: `ws://…/ws` or `wss://…/ws`.
    :param since: a sequence number, or a position `<epoch>.<seq>`; None: from now on.
    :param topics: the topics to subscribe to; none for all.
    :param token: an access token or a device key; None if the service is open, or the address contains `user:key@`.
    :param tell: is called with a sentence about a disconnect or a reset.
    """

    def __init__(
        self,
        url: str,
        *,
        since: str | None = None,
        topics: Sequence[str] = (),
        token: str | None = None,
        tell: Callable[[str], None] = lambda _: None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._url = url
        self._topics = list(topics)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._tell = tell
        self._sleep = pause
        self._position = since
        self._epoch = ""
        self._pause = _FIRST_PAUSE
        self._told = ""
        self.seq: int | None = None

    async def events(self) -> AsyncGenerator[Json, None]:
        """Yield events forever.

        :raises ListeningRefused: the service will refuse each further attempt.
        """
        while True:
            try:
                async with aclosing(self._visit()) as visit:
                    async for event in visit:
                        yield event
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd is not None else None
                if code in FINAL:
                    raise ListeningRefused(f"The service closed the connection: {FINAL[code]}.{self._rest}") from closed
                self._tell_once(f"The connection was cut{f' ({code})' if code else ''}; reconnecting.")
            except InvalidURI:
                raise ListeningRefused(f"{safe_address(self._url)} is no WebSocket address.") from None
            except (OSError, InvalidHandshake, TimeoutError):
                self._tell_once(
                    f"Nothing answers at {safe_address(self._url)}; trying again until the service answers."
                )
            # Random, so that not all clients reconnect at once after a restart.
            await self._sleep(self._pause * random.uniform(*_JITTER))  # noqa: S311
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)

    def _tell_once(self, sentence: str) -> None:
        """Report a sentence, but not again for each attempt that ends the same way."""
        if sentence != self._told:
            self._tell(sentence)
            self._told = sentence

    @property
    def _rest(self) -> str:
        """Return how to continue later, as a sentence."""
        return f" Go on with --since {self.seq}." if self.seq is not None else ""

    async def _visit(self) -> AsyncGenerator[Json, None]:
        async with connect(
            self._url,
            subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]
            additional_headers=self._headers,
            open_timeout=_OPEN_SECONDS,
        ) as socket:
            await socket.send(orjson.dumps(self._wish()).decode())
            async for text in socket:
                frame: Json = orjson.loads(text)
                for event in self._heard(frame):
                    yield event

    def _wish(self) -> Json:
        wish: Json = {"type": "subscribe"}
        if self._topics:
            wish["topics"] = self._topics
        if self._position is not None:
            wish["since"] = self._position
        return wish

    def _heard(self, frame: Json) -> list[Json]:
        """Yield the new events of a frame."""
        match frame["type"]:
            case "welcome":
                self._epoch = frame["epoch"]
            case "subscribed":
                self._pause, self._told = _FIRST_PAUSE, ""
                self._stand_at(frame["seq"])
            case "progress":
                self._stand_at(frame["seq"])
            case "reset":
                self._tell(f"Some events are missing ({frame['reason']}); continuing after {frame['head']}.")
                self._epoch, self.seq = frame["epoch"], None
                self._stand_at(frame["head"])
            case "error":
                raise ListeningRefused(frame["message"])
            case "event":
                return self._new([frame["event"]])
            case "events":
                return self._new(frame["events"])
        return []

    def _new(self, events: list[Json]) -> list[Json]:
        new = [event for event in events if self.seq is None or event["seq"] > self.seq]
        if new:
            self._stand_at(new[-1]["seq"])
        return new

    def _stand_at(self, seq: int) -> None:
        self.seq = seq
        self._position = f"{self._epoch}.{seq}"


def socket_url(base_url: str) -> str:
    """Return the address of `/ws` on a service, which may be given with `http`, `ws`, or with the path.

    :raises ListeningRefused: the address is invalid. A single word is rather a typing error than a host.
    """
    is_whole = "://" in base_url
    whole = base_url if is_whole else f"http://{base_url}"
    try:
        parts = urlsplit(whole)
        host, port = (parts.hostname or "", parts.port) if is_web_address(whole) else ("", None)
    except ValueError:
        # The message of the error quotes the address, which may contain a password.
        raise ListeningRefused(_NO_SERVICE) from None
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    is_lone_word = not is_whole and port is None and host != "localhost" and not set(host) & set(".:")
    if scheme not in ("ws", "wss") or not host or is_lone_word:
        raise ListeningRefused(_NO_SERVICE)
    path = parts.path if parts.path.endswith("/ws") else parts.path.rstrip("/") + "/ws"
    return urlunsplit((scheme, parts.netloc, path, "", ""))


def line_of(event: Json) -> str:
    """Return an event as a line of text: `   813  14:05:09  order     create   #012  Asha Patil  1750.05`."""
    data = event["data"]
    columns = (f"{event['seq']:>6}", event["at"][11:19], f"{event['type']:<8}", f"{event['action']:<16}")
    if "state" in data:
        return "  ".join((*columns, f"{data['state']:<9}", event["id"], data["error"] or "")).rstrip()
    number = data.get("sale_number") if "order_id" in data else data.get("estimate_number")
    return "  ".join((*columns, f"{number:<6}", f"{data['total']:>12.2f}", data["customer_name"]))
