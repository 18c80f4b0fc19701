"""Forms with a file in them (`multipart/form-data`), bounded before they are read."""

from collections.abc import AsyncGenerator
from typing import Any, Final

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from endpoints.requests import BodyTooLarge
from schemas.errors import ShopError
from schemas.limits import MAX_UPLOAD

#: The address of the one form that there is.
UPLOADS: Final = b"/api/whatsapp/send-estimate-pdf"
#: What stands beside the file: texts, and what separates them.
_MAX_BESIDE: Final = 64 * 1024
_MAX_FORM: Final = MAX_UPLOAD + _MAX_BESIDE
_MOST_PASSED_OVER: Final = 16 * MAX_UPLOAD
_MAX_FIELDS: Final = 20


class MalformedForm(ShopError):
    status, code, title = 400, "malformed_form", "The body is not a form with a file"


class _InMemory(MultiPartParser):
    """A file of a bounded form needs no place on the disk."""

    spool_max_size = _MAX_FORM


async def read_form(request: Request) -> dict[str, Any]:
    """The fields of a form by name: texts, and of a file its bytes.

    :raises BodyTooLarge: more than 2 MiB and what stands beside them arrived.
    :raises MalformedForm: it is no such form, or a field stands in it twice.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise MalformedForm("The body must be a form, multipart/form-data.")
    parser = _InMemory(
        request.headers, _bounded(request), max_files=1, max_fields=_MAX_FIELDS, max_part_size=_MAX_BESIDE
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise MalformedForm("The body is not a valid form with one file.") from error
    items = form.multi_items()
    if len({name for name, _ in items}) < len(items):
        raise MalformedForm("A field of the form stands in it twice.")
    content = {name: await value.read() if isinstance(value, UploadFile) else value for name, value in items}
    await form.close()
    return content


async def _bounded(request: Request) -> AsyncGenerator[bytes, None]:
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
