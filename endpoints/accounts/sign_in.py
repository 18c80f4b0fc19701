"""`/api/auth`: sign-in, sign-out and the profile."""

from typing import Any, Final

from starlette.endpoints import HTTPEndpoint
from starlette.responses import Response

from endpoints.http.actor import actor_of, address_of
from endpoints.http.errors import NotSignedIn, SignInExpired
from endpoints.http.operations import ResponseSpec, account_op, operation, sign_in_op, simple_op
from endpoints.http.requests import idempotency_key, read_json
from endpoints.http.responses import answer
from endpoints.http.state import ShopRequest
from repositories.accounts.last_owner import LastOwner
from repositories.accounts.password_hashing import NoSecretKey
from repositories.accounts.rate_limits import LOGIN, PIN_LOGIN, network_of
from repositories.accounts.sessions import Tokens
from repositories.accounts.sign_in import SignedIn
from repositories.database.errors import NotFound, TooManyRequests, Unavailable
from schemas.accounts.accounts import LoginBody, PasswordBody, PinBody, RefreshBody, profile
from schemas.core.principals import Principal
from schemas.fields.shapes import ref
from schemas.fields.validation import load_body
from schemas.journal.idempotency import InvalidKey, RepeatedKey, check_key
from schemas.openapi.examples import LOGINS, PASSWORDS, PINS, REFRESHES

BODY: Final = LoginBody()
PIN: Final = PinBody()
REFRESH: Final = RefreshBody()
PASSWORD: Final = PasswordBody()

_WRONG: Final = "The name or the password is wrong."
_WRONG_PIN: Final = "The name or the PIN is wrong, or this is another store's device."


class Login(HTTPEndpoint):
    @operation(sign_in_op("Sign in with a password", "SignedIn", BODY, LOGINS))
    async def post(self, request: ShopRequest) -> Response:
        body: dict[str, Any] = load_body(BODY, await read_json(request))
        address = address_of(request)
        await request.state.rate_limits.count(LOGIN, address)
        signed_in = await request.state.sign_in.by_password(body["username"], body["password"], network_of(address))
        if signed_in is None:
            raise NotSignedIn(_WRONG)
        return _signed_in_response(signed_in)


class PinLogin(HTTPEndpoint):
    @operation(sign_in_op("Sign in with a PIN, at an enrolled device", "SignedInAtDevice", PIN, PINS))
    async def post(self, request: ShopRequest) -> Response:
        body: dict[str, Any] = load_body(PIN, await read_json(request))
        await request.state.rate_limits.count(PIN_LOGIN, address_of(request))
        device = request.state.principal
        signed_in = await request.state.sign_in.by_pin(body["username"], body["pin"], device)
        if signed_in is None:
            raise NotSignedIn(_WRONG_PIN)
        return _signed_in_response(signed_in, device.id)


class Refresh(HTTPEndpoint):
    @operation(
        sign_in_op(
            "Renew a sign-in, once",
            "Renewed",
            REFRESH,
            REFRESHES,
            description="A refresh token that comes a second time ends all that came of that sign-in; but with the "
            "`Idempotency-Key` that it came with the first time, and within ten minutes, it gets the same answer.",
            headers=("Idempotency-Key",),
            errors=(InvalidKey, RepeatedKey),
        )
    )
    async def post(self, request: ShopRequest) -> Response:
        body: dict[str, Any] = load_body(REFRESH, await read_json(request))
        await request.state.rate_limits.count(LOGIN, address_of(request))
        given = idempotency_key(request)
        key = None if given is None else check_key(given)
        renewal = await request.state.sessions.renew(body["refresh_token"], key)
        if renewal.is_expired:
            raise SignInExpired
        if renewal.tokens is None:
            raise NotSignedIn("This sign-in is not known here, or was ended. Please sign in again.")
        return answer(_shown(renewal.tokens))


class Logout(HTTPEndpoint):
    @operation(simple_op("End this sign-in, and all that came of it", "Done", errors=(Unavailable,)))
    async def post(self, request: ShopRequest) -> Response:
        family = await request.state.sessions.family_of(request.state.principal.credential)
        if family is not None:
            await request.state.sessions.end(family)
        return answer({"success": True, "message": "Signed out"})


class Profile(HTTPEndpoint):
    @operation(simple_op("Who one is", "Profile"))
    async def get(self, request: ShopRequest) -> Response:
        return answer(profile(request.state.principal))


class Password(HTTPEndpoint):
    @operation(
        account_op(
            "Change one's own password",
            ResponseSpec(content=ref("Done"), description="It is changed, and all of one's other sign-ins end."),
            body=PASSWORD,
            examples=PASSWORDS,
            errors=(NotFound, NotSignedIn, LastOwner, NoSecretKey, TooManyRequests),
        )
    )
    async def post(self, request: ShopRequest) -> Response:
        body: dict[str, Any] = load_body(PASSWORD, await read_json(request))
        state = request.state
        user = await state.users.get(state.principal.id, None)
        if not await state.sign_in.is_password_of(user, body["current"], network_of(address_of(request))):
            raise NotSignedIn("The present password is wrong.")
        family = await state.sessions.family_of(state.principal.credential)
        await state.users.change_password(user, body["new"], actor_of(request), family)
        return answer({"success": True, "message": "Password changed"})


def _signed_in_response(signed_in: SignedIn, device: str | None = None) -> Response:
    user = signed_in.user
    who = Principal(user["_id"], user["name"], user["role"], user["belongs_to"], device)
    return answer({**_shown(signed_in.tokens), "user": profile(who)})


def _shown(tokens: Tokens) -> dict[str, Any]:
    """Return tokens with the member names of OAuth 2.0 (RFC 6749, 5.1)."""
    shown = {"access_token": tokens.access, "token_type": "bearer", "expires_in": tokens.seconds}
    return shown if tokens.refresh is None else {**shown, "refresh_token": tokens.refresh}
