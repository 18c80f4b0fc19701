"""HTTP requests to a provider, with limits of time and size.

URLs and headers contain API keys, so neither logs nor outcomes include them.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

import httpx
import orjson

from schemas.core.calendar import Clock
from schemas.messaging.delivery import Refused, RetryLater, Unknown

#: Timeouts in seconds, and the timeout of the whole exchange.
_TIMEOUTS: Final = httpx.Timeout(connect=5, write=10, read=20, pool=5)
_WHOLE: Final = 25.0
_LARGEST_ANSWER: Final = 64 * 1024
#: The longest accepted `Retry-After`, in seconds.
_LONGEST_PAUSE: Final = 3_600.0
_MOST_AT_ONCE: Final = 20
#: Errors that occur before the first byte of the request is sent.
_NOT_REACHED: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, slots=True)
class ProviderResponse:
    """The response of a provider.

    :ivar body: the JSON object; None if it is invalid, too large or incomplete.
    :ivar after: `Retry-After` in seconds.
    """

    status: int
    body: Mapping[str, Any] | None
    after: float | None = None

    @property
    def is_success(self) -> bool:
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def reason(self) -> str:
        """The reason of a failure, if the provider gives none."""
        return f"The provider answered with the status {self.status}."

    @property
    def is_lost(self) -> bool:
        """Whether a gateway timed out, so that the message may have been sent."""
        return self.status == HTTPStatus.GATEWAY_TIMEOUT

    @property
    def is_temporary(self) -> bool:
        """Whether a retry may succeed, whatever the body says."""
        return self.status == HTTPStatus.TOO_MANY_REQUESTS or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR


class ProviderClient:
    """The HTTP client of a provider. Connections are not reused: if the provider closed one during the next request, it
    would be unknown whether the message was sent.
    """

    def __init__(
        self, base_url: str, clock: Clock, *, timeouts: httpx.Timeout = _TIMEOUTS, whole: float = _WHOLE
    ) -> None:
        for name in ("httpx", "httpcore"):
            # They log URLs and headers below this level.
            logging.getLogger(name).setLevel(logging.WARNING)
        self._clock = clock
        self._total_seconds = whole
        self._client = httpx.AsyncClient(
            base_url=base_url,
            timeout=timeouts,
            limits=httpx.Limits(max_connections=_MOST_AT_ONCE, max_keepalive_connections=0),
            follow_redirects=False,
            # No proxy and no .netrc of the machine: only the settings determine the host and the key.
            trust_env=False,
            # No compression, so that the size limit holds.
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
        """Send a request.

        :returns: the response; `RetryLater` if the request was not sent; `Unknown` if it may have been.
        """
        content = None if json is None else orjson.dumps(json)
        typed = {"Content-Type": "application/json"} if content else {}
        request = self._client.build_request(
            method, path, params=params, content=content, headers={**typed, **(headers or {})}
        )
        try:
            async with asyncio.timeout(self._total_seconds):
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
    """Return `Retry-After`, in seconds or as a date (RFC 9110, 10.2.3), as seconds from now; None if missing."""
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
    """Return the outcome of a failure that the provider has reported.

    :param code: the error code of the provider, if any.
    """
    name = f"http_{answer.status}" if code is None else str(code)
    return RetryLater(name, reason, answer.after) if is_temporary else Refused(name, reason)
