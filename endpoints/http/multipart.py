"""Forms with a file (`multipart/form-data`), with size limits."""

from collections.abc import AsyncGenerator
from typing import Any, Final

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from endpoints.http.requests import BodyTooLarge
from schemas.core.errors import ShopError
from schemas.core.limits import MAX_UPLOAD

#: The path of the only form.
UPLOADS: Final = b"/api/whatsapp/send-estimate-pdf"
#: The texts and separators beside the file.
_MAX_TEXTS: Final = 64 * 1024
_MAX_FORM: Final = MAX_UPLOAD + _MAX_TEXTS
_MAX_DISCARDED: Final = 16 * MAX_UPLOAD
_MAX_FIELDS: Final = 20
_UTF_8: Final = (b"utf-8", b"utf8")


class MalformedForm(ShopError):
    status, code, title = 400, "malformed_form", "The body is not a form with a file"


class _InMemory(MultiPartParser):
    """Keeps the file in memory, since the form is bounded."""

    spool_max_size = _MAX_FORM


async def read_form(request: Request[Any]) -> dict[str, Any]:
    """Return the fields of a form by name: texts, and the bytes of the file.

    :raises BodyTooLarge: the form has more than 2 MiB + 64 KiB.
    :raises MalformedForm: the body is no form, is not in UTF-8, or has a field twice.
    """
    parser = _InMemory(
        _byte_by_byte(request), _bounded(request), max_files=1, max_fields=_MAX_FIELDS, max_part_size=_MAX_TEXTS
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise MalformedForm("The body is not a valid form with one file.") from error
    try:
        return await _fields(form)
    finally:
        await form.close()


async def _fields(form: FormData) -> dict[str, Any]:
    items = form.multi_items()
    if len({name for name, _ in items}) < len(items):
        raise MalformedForm("The form has a field twice.")
    return {_text(name): await value.read() if isinstance(value, UploadFile) else _text(value) for name, value in items}


def _byte_by_byte(request: Request[Any]) -> Headers:
    """Return the content type for the parser, with Latin-1 as the charset: some charsets that a client can name crash
    the parser or do not decode to text, and it falls back to Latin-1 silently.

    :raises MalformedForm: the body is no form, or has another charset than UTF-8.
    """
    given = request.headers.get("content-type", "")
    kind, options = parse_options_header(given)
    if kind != b"multipart/form-data":
        raise MalformedForm("The body must be a form, multipart/form-data.")
    if options.get(b"charset", b"utf-8").lower() not in _UTF_8:
        raise MalformedForm("The form must be in UTF-8.")
    return Headers({"content-type": f"{given}; charset=latin-1"})


def _text(read: str) -> str:
    """Decode UTF-8 that was read as Latin-1."""
    try:
        return read.encode("latin-1").decode()
    except UnicodeError as error:
        raise MalformedForm("The form is not valid UTF-8.") from error


async def _bounded(request: Request[Any]) -> AsyncGenerator[bytes, None]:
    """Yield the body. Read the rest of a large one up to a limit, since a client reads no response while it sends."""
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= _MAX_FORM:
            yield chunk
        elif size > _MAX_DISCARDED:
            break
    if size > _MAX_FORM:
        raise BodyTooLarge(f"The file may have at most {MAX_UPLOAD >> 20} MiB.", headers={"Connection": "close"})
