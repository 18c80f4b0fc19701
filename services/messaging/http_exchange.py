"""One question to a provider over HTTP, and what its answer means where it is none: bounded in time and size.

Addresses and headers hold keys, so nothing here names one: neither a log nor the text of an outcome.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

import httpx
import orjson

from schemas.messaging.delivery import Refused, RetryLater, Unknown

#: Seconds to connect, to write and between two reads; and for all of it together.
_TIMEOUTS: Final = httpx.Timeout(connect=5, write=10, read=20, pool=5)
_WHOLE: Final = 25.0
_LARGEST_ANSWER: Final = 64 * 1024
#: The longest pause that a provider may ask for, in seconds.
_LONGEST_PAUSE: Final = 3_600.0
_MOST_AT_ONCE: Final = 20
#: What fails before a byte of the request is on its way.
_NOT_REACHED: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, slots=True)
class ProviderResponse:
    """What a provider said. body: the JSON object, None where it is none, too large, or broken off. after:
    `Retry-After` in seconds."""

    status: int
    body: Mapping[str, Any] | None
    after: float | None = None

    @property
    def is_success(self) -> bool:
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def reason(self) -> str:
        """What is said of a failure where the provider says nothing."""
        return f"The provider answered with the status {self.status}."

    @property
    def is_lost(self) -> bool:
        """Whether only a gateway has answered, which heard nothing, so that it may have been sent."""
        return self.status == HTTPStatus.GATEWAY_TIMEOUT

    @property
    def is_temporary(self) -> bool:
        """Whether it may go better another time, whatever the provider says in the body."""
        return self.status == HTTPStatus.TOO_MANY_REQUESTS or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR


class ProviderClient:
    """Asks one provider. A connection serves one question: where one is kept, it may be closed by the other side as the
    next letter is written, and then nobody knows whether that was read.

    :param base_url: what paths are added to.
    :param timeouts: for tests that will not wait as long.
    """

    def __init__(
        self,
        base_url: str,
        clock: Callable[[], datetime],
        *,
        timeouts: httpx.Timeout = _TIMEOUTS,
        whole: float = _WHOLE,
    ) -> None:
        for name in ("httpx", "httpcore"):
            # They log addresses and headers below this level.
            logging.getLogger(name).setLevel(logging.WARNING)
        self._clock = clock
        self._whole = whole
        self._client = httpx.AsyncClient(
            base_url=base_url,
            timeout=timeouts,
            limits=httpx.Limits(max_connections=_MOST_AT_ONCE, max_keepalive_connections=0),
            follow_redirects=False,
            # No proxy and no .netrc of the machine: letters go where the settings say, with the key that they name.
            trust_env=False,
            # What is not compressed is as large as it looks.
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "pos-backend"},
        )

    async def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: Any = None,
    ) -> ProviderResponse | RetryLater | Unknown:
        """The answer; `RetryLater` where the question was surely not put, `Unknown` where it was and no answer came."""
        content = None if json is None else orjson.dumps(json)
        typed = {"Content-Type": "application/json"} if content else {}
        request = self._client.build_request(
            method, path, params=params, content=content, headers={**typed, **(headers or {})}
        )
        try:
            async with asyncio.timeout(self._whole):
                return await self._exchange(request)
        except _NOT_REACHED as error:
            return RetryLater("not_reached", f"The provider could not be reached ({type(error).__name__}).")
        except (httpx.RequestError, TimeoutError) as error:
            return Unknown(f"No answer came, so it may have been sent ({type(error).__name__}).")

    async def _exchange(self, request: httpx.Request) -> ProviderResponse:
        response = await self._client.send(request, stream=True)
        try:
            return ProviderResponse(
                response.status_code, await _body_of(response), retry_after_seconds(response.headers, self._clock())
            )
        finally:
            await response.aclose()

    async def close(self) -> None:
        await self._client.aclose()


async def _body_of(response: httpx.Response) -> Mapping[str, Any] | None:
    content = bytearray()
    try:
        async for chunk in response.aiter_raw():
            content += chunk
            if len(content) > _LARGEST_ANSWER:
                return None
        body = orjson.loads(content)
    except (httpx.RequestError, orjson.JSONDecodeError):
        return None
    return body if isinstance(body, dict) else None


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """`Retry-After`, of seconds or of a date (RFC 9110, 10.2.3), as seconds from now; None where there is none."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), _LONGEST_PAUSE)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    seconds = ((until if until.tzinfo else until.replace(tzinfo=UTC)) - now).total_seconds()
    return min(max(seconds, 0.0), _LONGEST_PAUSE)


def failure_outcome(
    answer: ProviderResponse, code: int | None, reason: str, *, is_temporary: bool
) -> Refused | RetryLater:
    """What a failure comes to, of which the provider surely says that it is one. code: its own, or None."""
    name = f"http_{answer.status}" if code is None else str(code)
    return RetryLater(name, reason, answer.after) if is_temporary else Refused(name, reason)
