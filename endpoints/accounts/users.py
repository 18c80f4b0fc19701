"""`/api/users` and `/api/devices`. An owner of one store manages only the users and devices of that store."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.endpoints import HTTPEndpoint
from starlette.responses import Response

from endpoints.http.actor import actor_of
from endpoints.http.errors import Forbidden
from endpoints.http.operations import ResponseSpec, account_op, operation, simple_op
from endpoints.http.requests import read_json
from endpoints.http.responses import answer
from endpoints.http.state import ShopRequest
from repositories.accounts.commands import AccountExists
from repositories.accounts.credentials import KEY
from repositories.accounts.last_owner import LastOwner
from repositories.accounts.password_hashing import NoSecretKey
from repositories.database.errors import NotFound, TooManyRequests, Unavailable
from schemas.accounts.accounts import DeviceBody, UserBody, UserChange
from schemas.accounts.documents import User as StoredUser
from schemas.accounts.documents import UserChanges, UserFields
from schemas.core.errors import InvalidBody
from schemas.fields.shapes import ref
from schemas.fields.validation import load_body
from schemas.openapi.examples import DEVICES, USER_CHANGES, USERS

USER: Final = UserBody()
CHANGE: Final = UserChange()
DEVICE: Final = DeviceBody()


class UserList(HTTPEndpoint):
    @operation(simple_op("Users", "UserList", errors=(Unavailable,)))
    async def get(self, request: ShopRequest) -> Response:
        users = await request.state.users.all(request.state.principal.store)
        return answer([request.state.account_serializers.user(user) for user in users])

    @operation(
        account_op(
            "A new user",
            ResponseSpec(content=ref("User"), description="The user."),
            status=201,
            body=USER,
            examples=USERS,
            errors=(AccountExists, NoSecretKey, TooManyRequests),
        )
    )
    async def post(self, request: ShopRequest) -> Response:
        body: dict[str, Any] = load_body(USER, await read_json(request))
        if body.get("password") is None and body.get("pin") is None:
            raise InvalidBody("password: is missing.", [{"pointer": "/password", "detail": "is missing"}])
        draft: UserFields = {
            "login": body["username"],
            "name": body["name"],
            "role": body["role"],
            "belongs_to": _allowed_store(request, body),
            "password": body.get("password"),
            "pin": body.get("pin"),
        }
        user = await request.state.users.add(draft, actor_of(request))
        return answer(request.state.account_serializers.user(user), 201)


class User(HTTPEndpoint):
    @operation(simple_op("A user", "User", errors=(NotFound, Unavailable)))
    async def get(self, request: ShopRequest) -> Response:
        return answer(request.state.account_serializers.user(await _user(request)))

    @operation(
        account_op(
            "Change a user",
            ResponseSpec(
                content=ref("User"), description="The user. With another password or PIN, all their sign-ins end."
            ),
            body=CHANGE,
            examples=USER_CHANGES,
            errors=(NotFound, LastOwner, NoSecretKey, TooManyRequests),
        )
    )
    async def put(self, request: ShopRequest) -> Response:
        changes: UserChanges = load_body(CHANGE, await read_json(request))
        if "belongs_to" in changes:
            changes["belongs_to"] = _allowed_store(request, changes)
        user = await request.state.users.change(await _user(request), changes, actor_of(request))
        return answer(request.state.account_serializers.user(user))

    @operation(
        account_op(
            "Take a user out",
            ResponseSpec(content=ref("Done"), description="They cannot sign in; their sales keep their name."),
            errors=(NotFound, LastOwner),
        )
    )
    async def delete(self, request: ShopRequest) -> Response:
        await request.state.users.end(await _user(request), actor_of(request))
        return answer({"success": True, "message": "User removed"})


class DeviceList(HTTPEndpoint):
    @operation(simple_op("Devices", "DeviceList", errors=(Unavailable,)))
    async def get(self, request: ShopRequest) -> Response:
        devices = await request.state.devices.all(request.state.principal.store)
        return answer([request.state.account_serializers.device(device) for device in devices])

    @operation(
        account_op(
            "Enrol a device",
            ResponseSpec(
                content=ref("DeviceEnrolled"), description="The device, and its key, which is shown this once only."
            ),
            status=201,
            body=DEVICE,
            examples=DEVICES,
            errors=(AccountExists,),
        )
    )
    async def post(self, request: ShopRequest) -> Response:
        body: dict[str, Any] = load_body(DEVICE, await read_json(request))
        store = _allowed_store(request, body)
        device = await request.state.devices.add(body["name"], store, actor_of(request), body["role"])
        key = await request.state.credentials.issue(KEY, device["_id"])
        return answer({"device": request.state.account_serializers.device(device), "key": key}, 201)


class Device(HTTPEndpoint):
    @operation(
        account_op(
            "Take a device out",
            ResponseSpec(content=ref("Done"), description="Its key and all sign-ins at it become invalid."),
            errors=(NotFound,),
        )
    )
    async def delete(self, request: ShopRequest) -> Response:
        device = await request.state.devices.get(request.path_params["device_id"], request.state.principal.store)
        await request.state.devices.end(device, actor_of(request))
        return answer({"success": True, "message": "Device removed"})


async def _user(request: ShopRequest) -> StoredUser:
    return await request.state.users.get(request.path_params["user_id"], request.state.principal.store)


def _allowed_store(request: ShopRequest, body: Mapping[str, Any]) -> str | None:
    """Return the store of a user or device; by default that of the request.

    :raises Forbidden: the owner belongs to another store.
    """
    store: str | None = body.get("belongs_to", request.state.store)
    if request.state.principal.store not in (None, store):
        raise Forbidden("You can only look after the people of your own store.")
    return store
