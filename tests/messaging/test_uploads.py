"""Uploaded PDFs: they are limited, stored for a while, and served to clients with the link."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from schemas.core.limits import MAX_UPLOAD
from schemas.messaging.states import SENT
from tests.support.messaging.in_memory_provider import OUTSIDE, PDF, PHONE, InMemoryProvider, path_of, until, upload
from tests.support.shop import OpenShop, Shop


async def test_an_uploaded_pdf_is_stored_and_served(open_shop: OpenShop) -> None:
    provider = InMemoryProvider()
    shop = await open_shop(provider=provider, **OUTSIDE)
    answers = [await upload(shop) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    # The app repeats the request after a lost response: it is sent once, and stored once.
    assert answers[0].json()["message_id"] == answers[1].json()["message_id"]
    assert answers[0].json()["pdf_url"] == answers[1].json()["pdf_url"]
    await until(shop, answers[0].json()["message_id"], SENT)
    assert len(provider.sent) == 1
    assert provider.sent[0].text == "Your estimate\n\nAs we spoke of"
    assert await shop.database.uploads.count_documents({"store": shop.store}) == 1
    served = await shop.http.get(path_of(answers[0].json()["pdf_url"]))
    assert (served.content, served.headers["content-type"]) == (PDF, "application/pdf")
    assert served.headers["x-robots-tag"] == "noindex, nofollow, noarchive"
    assert (
        "sandbox" in served.headers["content-security-policy"] or "'none'" in served.headers["content-security-policy"]
    )
    again = {"phone_number": PHONE, "message": "Once more", "pdf_url": answers[0].json()["pdf_url"]}
    assert (await shop.http.post("/api/whatsapp/send", json=again)).status_code == 200


async def test_the_upload_of_a_rejected_message_is_not_stored(open_shop: OpenShop) -> None:
    shop = await open_shop(provider=InMemoryProvider(), **OUTSIDE)
    once = {"Idempotency-Key": "once"}
    answers = [await upload(shop, headers=once, caption=caption) for caption in ("One", "Another")]
    assert [answer.status_code for answer in answers] == [200, 422]
    assert answers[1].json()["code"] == "idempotency_key_reused"
    too_long = await upload(shop, message="m" * 600, caption="c" * 600)
    assert (too_long.status_code, too_long.json()["code"]) == (422, "invalid_fields")
    assert await shop.database.uploads.count_documents({"store": shop.store}) == 1


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "invalid_fields"),
        (b"PK\x03\x04", 422, "invalid_fields"),
        (b"<html>%PDF-", 422, "invalid_fields"),
        (b"%PDF-" + b"x" * MAX_UPLOAD, 422, "invalid_fields"),
        (b"%PDF-" + b"x" * 2 * MAX_UPLOAD, 413, "body_too_large"),
    ],
)
async def test_an_upload_that_is_not_a_pdf_or_too_large_is_rejected(
    shop: Shop, content: bytes, status: int, code: str
) -> None:
    answer = await upload(shop, content)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await shop.database.uploads.count_documents({"store": shop.store}) == 0


async def test_a_pdf_of_exactly_two_mebibytes_is_accepted(shop: Shop) -> None:
    assert (await upload(shop, b"%PDF-" + b"x" * (MAX_UPLOAD - 5))).status_code == 200


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\n--x--"),
        ("multipart/form-data; boundary=x", b"nothing of the kind"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 40 + b"--x--",
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n1\r\n' * 2 + b"--x--",
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 2 + b"--x--",
        ),
    ],
)
async def test_a_malformed_form_is_rejected(shop: Shop, kind: str, content: bytes) -> None:
    path = "/api/whatsapp/send-estimate-pdf"
    answer = await shop.http.post(path, content=content, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_form")


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("undefined", b"Namaste"),
        ("utf-7", b"+2AA-"),
        ("utf-16", b"\x00\xd8"),
        ("idna", b"xn--\xff"),
        ("rot13", b"Namaste"),
        ("unicode_escape", rb"\ud800"),
        ("utf-8", b"\xff"),
        ("UTF-8", b"\xed\xa0\x80"),
    ],
)
async def test_a_form_in_another_charset_is_rejected(open_shop: OpenShop, charset: str, text: bytes) -> None:
    shop = await open_shop(provider=InMemoryProvider(), **OUTSIDE)
    answer = await post_form(shop, charset, text)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_form")


@pytest.mark.parametrize("charset", ["utf-8", "UTF8", '"utf-8"'])
async def test_a_form_may_declare_utf_8(open_shop: OpenShop, charset: str) -> None:
    provider = InMemoryProvider()
    shop = await open_shop(provider=provider, **OUTSIDE)
    answer = await post_form(shop, charset, "धन्यवाद".encode())
    assert answer.status_code == 200, answer.text
    await until(shop, answer.json()["message_id"], SENT)
    assert provider.sent[0].text == "धन्यवाद"


async def post_form(shop: Shop, charset: str, text: bytes) -> Any:
    """Post a form as raw bytes, and return the response."""
    fields = {b"phone_number": PHONE.encode(), b"message": text, b'file"; filename="x.pdf': PDF}
    parts = [b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % each for each in fields.items()]
    kind = f"multipart/form-data; boundary=x; charset={charset}"
    path = "/api/whatsapp/send-estimate-pdf"
    return await shop.http.post(path, content=b"".join(parts) + b"--x--", headers={"Content-Type": kind})


async def test_uploads_have_a_longer_deadline(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send the same slowly to another address, where it is cut off."""
    monkeypatch.setattr("app.server.http_protocol.RECEIVE_SECONDS", 0.05)

    async def send_slowly(path: str) -> int:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"--x\r\n"
            await asyncio.sleep(0.3)
            yield b"--x--\r\n"

        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        return (await shop.http.post(path, content=pieces(), headers=headers)).status_code

    assert await send_slowly("/api/whatsapp/send-estimate-pdf") in (400, 422)
    assert await send_slowly("/api/whatsapp/send-estimate-pdf?x=1") in (400, 422)
    assert await send_slowly("/api/whatsapp/send") == 408


async def test_an_upload_with_a_split_head_has_the_longer_deadline(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.server.http_protocol.RECEIVE_SECONDS", 1.0)
    address = shop.http.base_url
    reader, writer = await asyncio.open_connection(address.host, address.port)
    head = "POST /api/whatsapp/send-estimate-pdf HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
    head += "Content-Type: multipart/form-data; boundary=x\r\nConnection: close\r\n\r\n"
    for piece in (head[:40], head[40:], "x"):
        writer.write(piece.encode())
        await asyncio.sleep(0.6)
    assert (await reader.readline()).split()[1] != b"408"
    writer.close()
