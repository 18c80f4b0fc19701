"""Forms with a file in them (`multipart/form-data`), bounded before they are read."""

from collections.abc import AsyncGenerator
from typing import Any, Final

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from endpoints.http.requests import BodyTooLarge
from schemas.core.errors import ShopError
from schemas.core.limits import MAX_UPLOAD

#: The address of the one form that there is.
UPLOADS: Final = b"/api/whatsapp/send-estimate-pdf"
#: What stands beside the file: texts, and what separates them.
_MAX_BESIDE: Final = 64 * 1024
_MAX_FORM: Final = MAX_UPLOAD + _MAX_BESIDE
_MOST_PASSED_OVER: Final = 16 * MAX_UPLOAD
_MAX_FIELDS: Final = 20
_UTF_8: Final = (b"utf-8", b"utf8")


class MalformedForm(ShopError):
    status, code, title = 400, "malformed_form", "The body is not a form with a file"


class _InMemory(MultiPartParser):
    """A file of a bounded form needs no place on the disk."""

    spool_max_size = _MAX_FORM


async def read_form(request: Request[Any]) -> dict[str, Any]:
    """The fields of a form by name: texts, and of a file its bytes.

    :raises BodyTooLarge: more than 2 MiB and what stands beside them arrived.
    :raises MalformedForm: it is no such form, is not in UTF-8, or a field stands in it twice.
    """
    parser = _InMemory(
        _byte_by_byte(request), _bounded(request), max_files=1, max_fields=_MAX_FIELDS, max_part_size=_MAX_BESIDE
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
        raise MalformedForm("A field of the form stands in it twice.")
    return {_text(name): await value.read() if isinstance(value, UploadFile) else _text(value) for name, value in items}


def _byte_by_byte(request: Request[Any]) -> Headers:
    """The kind of form for the parser, which is to read no charset that a client names: there are some that it falls
    over, or that make of bytes what is no text, and what is not in its charset it takes for Latin-1.

    :raises MalformedForm: it is no form, or one of another charset than UTF-8.
    """
    given = request.headers.get("content-type", "")
    kind, options = parse_options_header(given)
    if kind != b"multipart/form-data":
        raise MalformedForm("The body must be a form, multipart/form-data.")
    if options.get(b"charset", b"utf-8").lower() not in _UTF_8:
        raise MalformedForm("The form must be in UTF-8.")
    return Headers({"content-type": f"{given}; charset=latin-1"})


def _text(read: str) -> str:
    """Bytes of UTF-8 that were read one by one."""
    try:
        return read.encode("latin-1").decode()
    except UnicodeError as error:
        raise MalformedForm("The form is not valid UTF-8.") from error


async def _bounded(request: Request[Any]) -> AsyncGenerator[bytes, None]:
    """Of what is too large the rest is passed over, within reason: who is still sending does not hear an answer."""
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= _MAX_FORM:
            yield chunk
        elif size > _MOST_PASSED_OVER:
            break
    if size > _MAX_FORM:
        raise BodyTooLarge(f"The file may have at most {MAX_UPLOAD >> 20} MiB.", headers={"Connection": "close"})
