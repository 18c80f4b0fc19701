"""Static files: they are compressed once for all clients."""

import asyncio
import gzip

import pytest

from endpoints import documentation
from endpoints.reporting import board
from endpoints.transfer.compressible import CompressibleBody
from endpoints.transfer.gzip import MIN_SIZE
from tests.middleware.test_compression import GZIP, PLAIN, raw
from tests.support.shop import Shop

PATHS = [
    *("/docs", "/board", "/openapi.json", "/asyncapi.json"),
    *(f"/docs/{name}" for name in documentation.ASSETS),
    *(f"/board/{name}" for name in board.ASSETS),
]


@pytest.mark.parametrize("path", PATHS)
async def test_a_file_is_compressed_once_for_all_requests(
    shop: Shop, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed: list[int] = []

    def count(body: bytes, level: int, *, mtime: float) -> bytes:
        packed.append(len(body))
        return compress(body, level, mtime=mtime)

    def fail() -> None:
        raise AssertionError("compressed again")

    compress = gzip.compress
    monkeypatch.setattr("endpoints.transfer.compressible.gzip.compress", count)
    monkeypatch.setattr("app.middleware.compression.GzipEncoder", fail)
    answers = await asyncio.gather(*(raw(shop, path, **GZIP) for _ in range(10)))
    plain, content = await raw(shop, path, **PLAIN)
    assert len(packed) <= 1
    assert plain.status_code == 200
    assert "content-encoding" not in plain.headers
    for answer, body in answers:
        is_packed = len(content) >= MIN_SIZE
        assert answer.headers.get("content-encoding") == ("gzip" if is_packed else None)
        assert (gzip.decompress(body) if is_packed else body) == content
        assert int(answer.headers["content-length"]) == len(body)
        assert answer.headers["etag"].removeprefix("W/") == plain.headers["etag"].removeprefix("W/")
        # The compressed bytes have a weak tag.
        assert answer.headers["etag"].startswith("W/") or not is_packed
        for each in (answer, plain):
            assert each.headers.get_list("vary") == ["Accept-Encoding"]


@pytest.mark.parametrize("path", ["/docs/swagger-ui.css", "/openapi.json", "/board"])
@pytest.mark.parametrize(
    ("accepted", "is_packed"),
    [
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("identity;q=0.5, gzip;q=0.1", False),
        ("br, *;q=0.1", True),
        ("gzip;q=0.001", True),
        ("", False),
    ],
)
async def test_the_weights_of_accept_encoding_are_compared(
    shop: Shop, path: str, accepted: str, is_packed: bool
) -> None:
    answer, _ = await raw(shop, path, **{"Accept-Encoding": accepted})
    assert ("content-encoding" in answer.headers) is is_packed
    assert answer.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize("path", ["/docs/swagger-ui.css", "/openapi.json", "/board"])
async def test_a_conditional_request_gets_304_for_either_encoding(shop: Shop, path: str) -> None:
    tags = [(await raw(shop, path, **form))[0].headers["etag"] for form in (GZIP, PLAIN)]
    for tag in tags:
        for form in (GZIP, PLAIN):
            again, body = await raw(shop, path, **form, **{"If-None-Match": tag})
            assert (again.status_code, body) == (304, b"")
    head, body = await raw(shop, path, "HEAD", **GZIP)
    assert (head.status_code, head.headers["content-encoding"], body) == (200, "gzip", b"")


async def test_a_compression_is_completed_after_a_cancelled_request(shop: Shop) -> None:
    file = CompressibleBody(b"x" * 100_000)
    first, second = (asyncio.create_task(file.packed()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert gzip.decompress(await second) == file.body
    assert await file.packed() is await second
