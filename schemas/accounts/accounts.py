"""Users, devices and sign-ins: request bodies, and the schemas that serialize accounts."""

import re
from collections.abc import Mapping
from typing import Any, Final

from marshmallow import EXCLUDE, Schema, ValidationError, fields

from schemas.accounts.password_policy import MAX_LENGTH, MIN_LENGTH
from schemas.core.documents import Document
from schemas.core.principals import ASSIGNABLE_ROLES, CASHIER, Principal, role_of_device
from schemas.fields.body import Body
from schemas.fields.inputs import OneOf, Text
from schemas.fields.outputs import PublicId, ShopTime, ZonedSchema
from schemas.text.folding import ascii_digits, name_key

_LOGIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{1,63}", re.ASCII)
_STORE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_LONGEST_TOKEN: Final = 512


class Secret(fields.Field[str]):
    """A secret text, loaded as it was typed. Load only."""

    def __init__(self, longest: int = MAX_LENGTH, **kwargs: Any) -> None:
        shape = {"type": ["string", "null"] if kwargs.get("allow_none") else "string", "maxLength": longest}
        super().__init__(metadata={**shape, "minLength": 1, "writeOnly": True, **kwargs.pop("metadata", {})}, **kwargs)
        self.longest = longest

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("must be text")
        if not 1 <= len(value) <= self.longest:
            raise ValidationError(f"must have 1 to {self.longest} characters")
        return value


class Pin(Secret):
    """A PIN at sign-in: digits of any script, with blanks around and between them."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        return super()._deserialize(ascii_digits(value) if isinstance(value, str) else value, attr, data, **kwargs)


class Token(Secret):
    """A token that a user pastes, perhaps with blanks around it."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        return super()._deserialize(value.strip() if isinstance(value, str) else value, attr, data, **kwargs)


class Login(fields.Field[str]):
    """A user name, in any case and width, without extra blanks and invisible characters.

    :param is_new: whether it is the name of a new user, and so must have the characters that are allowed.
    """

    def __init__(self, *, is_new: bool = False, **kwargs: Any) -> None:
        shape = {"pattern": rf"^\s*{_LOGIN.pattern}\s*$"} if is_new else {"minLength": 1, "maxLength": MAX_LENGTH}
        super().__init__(metadata={"type": "string", **shape}, **kwargs)
        self.is_new = is_new

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("must be text")
        login = name_key(value) if len(value) <= MAX_LENGTH else ""
        if not login or (self.is_new and not _LOGIN.fullmatch(login)):
            raise ValidationError("must have 2 to 64 letters, digits, dots, or signs of _@+-")
        return login


class StoreName(fields.Field[str]):
    """The name of a store; null for all stores."""

    def __init__(self, **kwargs: Any) -> None:
        shape = {"type": ["string", "null"], "pattern": f"^{_STORE.pattern}$"}
        described = "The store that it belongs to; null: all of them."
        super().__init__(allow_none=True, metadata={**shape, "description": described}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        name = value.strip() if isinstance(value, str) else ""
        if not _STORE.fullmatch(name):
            raise ValidationError("must be the name of a store, or null")
        return name


def _password(**kwargs: Any) -> Secret:
    return Secret(metadata={"minLength": MIN_LENGTH}, **kwargs)


def _pin() -> Secret:
    return Secret(longest=6, allow_none=True, metadata={"minLength": 6, "pattern": "^[0-9]{6}$"})


class LoginBody(Body):
    username = Login(required=True)
    password = Secret(required=True)


class PinBody(Body):
    username = Login(required=True)
    pin = Pin(required=True)


class RefreshBody(Body):
    refresh_token = Secret(_LONGEST_TOKEN, required=True)


class PasswordBody(Body):
    """A user's change of their own password."""

    current = Secret(required=True)
    new = _password(required=True)


class _AccountBody(Schema):
    """A body in which null differs from a member that is left out."""

    class Meta:
        unknown = EXCLUDE


class UserChange(_AccountBody):
    """A change of a user; fields that are left out stay. A null password or PIN is removed."""

    name = Text()
    role = OneOf(ASSIGNABLE_ROLES)
    belongs_to = StoreName()
    password = _password(allow_none=True)
    pin = _pin()


class UserBody(UserChange):
    """A new user, with a password, a PIN or both. The default store is that of the request."""

    username = Login(required=True, is_new=True)
    name = Text(required=True)
    role = OneOf(ASSIGNABLE_ROLES, required=True)


class DeviceBody(_AccountBody):
    """A new device. The default role is a cashier's, and the default store that of the request."""

    name = Text(required=True)
    role = OneOf(ASSIGNABLE_ROLES, load_default=CASHIER)
    belongs_to = StoreName()


class _AccountSchema(ZonedSchema):
    id = PublicId()
    name = fields.String()
    belongs_to = fields.String(allow_none=True, metadata={"description": "A store; null: all of them."})
    created_at = ShopTime()
    updated_at = ShopTime()
    version = fields.Integer()


class UserSchema(_AccountSchema):
    """A user, without secrets."""

    username = fields.String(attribute="login")
    role = fields.String(metadata={"enum": list(ASSIGNABLE_ROLES)})
    has_password = fields.Function(lambda user: user.get("password") is not None, metadata={"type": "boolean"})
    has_pin = fields.Function(lambda user: user.get("pin") is not None, metadata={"type": "boolean"})


class DeviceSchema(_AccountSchema):
    """A device, without its key."""

    role = fields.Function(role_of_device, metadata={"enum": list(ASSIGNABLE_ROLES)})


def profile(principal: Principal) -> Document:
    """Return a principal as its own client reads it; `store` is None for all stores."""
    return {
        "id": principal.id,
        "name": principal.name,
        "role": principal.role,
        "store": principal.store,
        "device": principal.device,
    }
