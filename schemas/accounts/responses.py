"""The JSON Schemas of the responses about sign-in, users, devices and the audit log."""

from typing import Final

from schemas.core.collections import EVENT_TYPES
from schemas.core.principals import OWNER, ROLES
from schemas.fields.shapes import COUNT, NUMBER, TEXT, TEXT_OR_NULL, TIME, TRUE, Json, array, record, ref
from schemas.journal.events import ACTIONS

#: Null for changes before there was an audit log.
_ACTOR: Final[Json] = {
    **record(
        id=TEXT,
        name=TEXT,
        role={"enum": list(ROLES)},
        device=TEXT_OR_NULL,
        address=TEXT_OR_NULL,
        request_id=TEXT_OR_NULL,
    ),
    "type": ["object", "null"],
}
_ACCESS: Final[Json] = {"access_token": TEXT, "token_type": {"const": "bearer"}, "expires_in": COUNT}
_RENEWABLE: Final[Json] = {**_ACCESS, "refresh_token": TEXT}
_NUMBER_OR_NULL: Final[Json] = {**NUMBER, "type": ["string", "null"]}

ACCOUNT_RESPONSES: Final[dict[str, Json]] = {
    "SetupState": record(claimed={"type": "boolean"}),
    "Claimed": record(
        success=TRUE, message=TEXT, data=record(id=TEXT, username=TEXT, name=TEXT, role={"const": OWNER})
    ),
    "SignedIn": record(**_RENEWABLE, user=ref("Profile")),
    "SignedInAtDevice": record(**_ACCESS, user=ref("Profile")),
    "Renewed": record(**_RENEWABLE),
    "Profile": record(id=TEXT, name=TEXT, role={"enum": list(ROLES)}, store=TEXT_OR_NULL, device=TEXT_OR_NULL),
    "UserList": array(ref("User")),
    "DeviceList": array(ref("Device")),
    "DeviceEnrolled": record(device=ref("Device"), key=TEXT),
    "Ticket": record(ticket=TEXT, expires_in=COUNT),
    "AuditPage": array(ref("AuditRow")),
    "AuditRow": record(
        seq={"type": "integer", "minimum": 1},
        at=TIME,
        type={"enum": list(EVENT_TYPES.values())},
        action={"enum": list(ACTIONS)},
        id=TEXT,
        number=_NUMBER_OR_NULL,
        by=_ACTOR,
        before={
            "type": ["object", "null"],
            "description": "The fields that were changed, as they were; a long one is `{cut, bytes}`.",
        },
        after={"type": "object", "description": "The same fields after the change; all fields of a new document."},
        hash={"type": ["string", "null"], "pattern": "^[0-9a-f]{64}$"},
    ),
}
