"""`/api/setup`: create the first owner of a shop, once."""

import hmac
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.endpoints import HTTPEndpoint
from starlette.responses import Response

from endpoints.http.actor import address_of
from endpoints.http.operations import Operation, ResponseSpec, operation, simple_op
from endpoints.http.request_id import request_id
from endpoints.http.requests import BodyTooLarge, MalformedBody, read_body, read_json
from endpoints.http.responses import answer
from endpoints.http.state import ShopRequest
from repositories.accounts.commands import AccountExists
from repositories.accounts.password_hashing import NoSecretKey
from repositories.accounts.rate_limits import SETUP
from repositories.accounts.setup import AlreadyClaimed
from repositories.database.errors import OutcomeUnknown, TooManyRequests, Unavailable
from schemas.accounts.setup import SetupBody
from schemas.core.errors import InvalidBody, ShopError
from schemas.core.principals import FIRST_OWNER_ID, OWNER, Actor
from schemas.fields.shapes import ref
from schemas.fields.validation import load_body

BODY: Final = SetupBody()
_FORM: Final = "application/x-www-form-urlencoded"


class WrongSetupToken(ShopError):
    status, code, title = 403, "wrong_setup_token", "Not the setup token"

    def __init__(self) -> None:
        super().__init__("This is not the setup token. It is in the log of the service, or in the setting SETUP_TOKEN.")


class Setup(HTTPEndpoint):
    @operation(simple_op("Whether the shop has an owner", "SetupState", errors=(Unavailable,)))
    async def get(self, request: ShopRequest) -> Response:
        claim = request.state.setup
        return answer({"claimed": await claim.is_complete()})

    @operation(
        Operation(
            summary="Become the shop's first owner",
            description="Succeeds once; later requests are rejected. The body may also be a form.",
            body=BODY,
            responses={201: ResponseSpec(content=ref("Claimed"), description="The owner can sign in now.")},
            errors=(
                *(MalformedBody, BodyTooLarge, InvalidBody),
                *(WrongSetupToken, AlreadyClaimed, AccountExists, NoSecretKey, TooManyRequests),
                *(OutcomeUnknown, Unavailable),
            ),
        )
    )
    async def post(self, request: ShopRequest) -> Response:
        body = load_body(BODY, await _given(request))
        address = address_of(request)
        await request.state.rate_limits.count(SETUP, address)
        claim = request.state.setup
        if await claim.is_complete():
            raise AlreadyClaimed
        if not _is_right(request.state.setup_token, body["token"]):
            raise WrongSetupToken
        actor = Actor(FIRST_OWNER_ID, body["name"], OWNER, address=address, request_id=request_id.get())
        owner = await claim.create_owner(body["username"], body["name"], body["password"], actor)
        shown = {"id": owner["_id"], "username": owner["login"], "name": owner["name"], "role": owner["role"]}
        return answer({"success": True, "message": "The shop is yours. Please sign in.", "data": shown}, 201)


async def _given(request: ShopRequest) -> Mapping[str, Any]:
    """Return the body: JSON, or a form, which the command in the log uses because it needs no quotes."""
    if request.headers.get("content-type", "").startswith(_FORM):
        return dict(parse_qsl((await read_body(request)).decode("utf-8", "replace")))
    return await read_json(request)


def _is_right(expected: str | None, given: str) -> bool:
    """Compare the setup token in constant time."""
    return expected is not None and hmac.compare_digest(expected.encode(), given.encode())
