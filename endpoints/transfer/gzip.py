"""gzip: content negotiation and compression, in a thread if it takes long."""

import asyncio
import zlib
from typing import Final

ENCODING: Final = "gzip"
#: Smaller responses fit in one packet anyway.
MIN_SIZE: Final = 1_400
#: Half the time of zlib's default level, for a tenth more bytes.
_LEVEL: Final = 3
_GZIP: Final = 16 + zlib.MAX_WBITS
_AT_ONCE: Final = 16 * 1024
_NAMES: Final = ("gzip", "x-gzip")


def takes_gzip(accepted: str | None) -> bool:
    """Return whether an `Accept-Encoding` prefers gzip to no encoding (RFC 9110, 12.5.3)."""
    if accepted is None:
        return False
    if ";" not in accepted and "*" not in accepted:
        return any(name.strip().lower() in _NAMES for name in accepted.split(","))
    weights = dict(_weighed(each) for each in accepted.split(","))
    weight = max((weights[name] for name in _NAMES if name in weights), default=weights.get("*", 0.0))
    return weight > 0 and weight >= weights.get("identity", 0.0)


def _weighed(choice: str) -> tuple[str, float]:
    name, _, parameter = choice.partition(";")
    key, _, value = parameter.strip().partition("=")
    if key.strip().lower() != "q":
        return name.strip().lower(), 1.0
    try:
        return name.strip().lower(), float(value)
    except ValueError:
        return name.strip().lower(), 0.0


class GzipEncoder:
    """Compresses one response in chunks; it holds no more than the window of zlib and one compressed chunk."""

    def __init__(self) -> None:
        self._compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)

    async def pack(self, body: bytes, *, is_last: bool) -> bytes:
        """Return the compressed bytes that are available so far; possibly none."""
        if len(body) > _AT_ONCE:
            # zlib releases the GIL.
            return await asyncio.to_thread(self._pack, body, is_last)
        return self._pack(body, is_last)

    def _pack(self, body: bytes, is_last: bool) -> bytes:
        packed = self._compressor.compress(body)
        return packed + self._compressor.flush() if is_last else packed
