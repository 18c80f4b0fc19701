"""`/ws` and the event stream as an AsyncAPI 3.0 document: the one place that describes every frame."""

from collections.abc import Mapping
from typing import Any, Final

from schemas.core.collections import DEFAULT_TOPICS, EVENT_TYPES, TOPICS
from schemas.journal.events import ACTIONS
from schemas.live.protocol import MAX_TOPICS, SUBPROTOCOL
from schemas.messaging.states import STATES

Json = dict[str, Any]

_NUMBER: Final[Json] = {"type": "string", "pattern": "^#[0-9]{3,}$", "description": "A document number."}
_MONEY: Final[Json] = {"type": "number", "minimum": 0}
_TIME: Final[Json] = {"type": "string", "format": "date-time", "description": "With the shop's offset."}
_SEQ: Final[Json] = {"type": "integer", "minimum": 0, "description": "A place in the event log; it has no gaps."}
_TEXT: Final[Json] = {"type": "string"}
_OWN_ID: Final[Json] = {"type": ["string", "integer", "null"], "description": "The client's own id of its message."}
RESET_REASONS: Final[Json] = {"enum": ["expired", "other_log", "ahead", "too_far"]}

_DATA: Final[Json] = {
    "type": "object",
    "description": "The document in short. Of a conversion it is the order that was made.",
    "properties": {
        "estimate_id": _TEXT,
        "estimate_number": _NUMBER,
        "order_id": _TEXT,
        "sale_number": _NUMBER,
        "customer_name": _TEXT,
        "sale_by": _TEXT,
        "status": _TEXT,
        "total": _MONEY,
        "amount_paid": _MONEY,
        "payment_mode": _TEXT,
        "created_at": _TIME,
        "version": {"type": "integer", "minimum": 1},
    },
    "required": ["customer_name", "sale_by", "status", "total", "created_at", "version"],
    "anyOf": [{"required": ["estimate_id", "estimate_number"]}, {"required": ["order_id", "sale_number"]}],
    "additionalProperties": False,
}

_MESSAGE_DATA: Final[Json] = {
    "type": "object",
    "description": "The state of a message to a customer; sent only to clients that subscribe to `messages`.",
    "properties": {
        "state": {"enum": list(STATES)},
        "attempt": {"type": "integer", "minimum": 0},
        "document_id": {"type": ["string", "null"]},
        "error": {"type": ["string", "null"], "description": "A code."},
        "version": {"type": "integer", "minimum": 1},
    },
    "required": ["state", "attempt", "document_id", "error", "version"],
    "additionalProperties": False,
}

EVENT: Final[Json] = {
    "type": "object",
    "properties": {
        "type": {"enum": [EVENT_TYPES[name] for name in TOPICS]},
        "action": {"enum": list(ACTIONS)},
        "id": {"type": "string", "description": "The public id of the document."},
        "data": {"oneOf": [_DATA, _MESSAGE_DATA]},
        "order_id": {"type": "string", "description": "Of a conversion: the order that it made."},
        "order_number": _NUMBER,
        "seq": {**_SEQ, "minimum": 1},
        "at": _TIME,
    },
    "required": ["type", "action", "id", "data", "seq", "at"],
    "additionalProperties": False,
}

_EVENT_REFERENCE: Final[Json] = {"$ref": "#/components/schemas/event"}


def _message(kind: str, required: Json, optional: Json | None = None) -> Json:
    return {
        "type": "object",
        "properties": {"type": {"const": kind}, **required, **(optional or {})},
        "required": ["type", *required],
    }


def _said(kind: str, members: Json) -> Json:
    """Return the schema of a message from the server, which has exactly these members."""
    return {**_message(kind, members), "additionalProperties": False}


#: The messages from the server in the subprotocol, by name.
SERVER_MESSAGES: Final[dict[str, Json]] = {
    "welcome": _said(
        "welcome",
        {
            "conn": _TEXT,
            "epoch": {"type": "string", "description": "Names the log: another epoch, another log."},
            "head": {**_SEQ, "description": "The newest event."},
            "low": {**_SEQ, "description": "The oldest event that is kept."},
            "ping": {"type": "number", "description": "Seconds between the server's own pings."},
            "max": {"type": "integer", "description": "Bytes that a message to the server may have."},
        },
    ),
    "subscribed": _said("subscribed", {"id": _OWN_ID, "seq": _SEQ, "recovered": {"type": "boolean"}}),
    "singleEvent": _said("event", {"event": _EVENT_REFERENCE}),
    "events": _said("events", {"events": {"type": "array", "minItems": 2, "items": _EVENT_REFERENCE}}),
    "progress": _said("progress", {"seq": _SEQ}),
    "reset": _said("reset", {"reason": RESET_REASONS, "epoch": _TEXT, "head": _SEQ}),
    "pong": _said("pong", {"id": _OWN_ID}),
    "error": _said("error", {"id": _OWN_ID, "code": _TEXT, "message": _TEXT}),
}

#: The messages from a client in the subprotocol, by name.
CLIENT_MESSAGES: Final[dict[str, Json]] = {
    "subscribe": _message(
        "subscribe",
        {},
        {
            "id": _OWN_ID,
            "topics": {
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_TOPICS,
                "items": _TEXT,
                "description": f"{', '.join(TOPICS)}, one of them as orders/<id>, or *; left out or *: "
                f"{' and '.join(DEFAULT_TOPICS)}.",
            },
            "since": {
                "type": ["integer", "string"],
                "description": "A seq, or <epoch>.<seq>: everything after it is replayed; left out: from now on.",
            },
        },
    ),
    "ping": _message("ping", {}, {"id": _OWN_ID}),
}


#: How a client authenticates; not needed by a service without users, which only this machine reaches.
_SECURITY: Final[Json] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An access token or a device's key."},
    "basic": {"type": "http", "scheme": "basic", "description": "The same as the password; any user name will do."},
    "ticket": {
        "type": "httpApiKey",
        "in": "query",
        "name": "ticket",
        "description": "For browsers: what POST /api/ws-ticket has answered, once, within 30 seconds. No other token "
        "is taken from an address.",
    },
}
_QUERY: Final[Json] = {
    "type": "object",
    "properties": {
        "ticket": {"type": "string", "description": "Instead of a header: see the security scheme of that name."},
        "since": {"type": "string", "description": "As in the message subscribe; then pos.v1 is spoken."},
        "topics": {"type": "string", "description": "As in the message subscribe, separated by commas."},
    },
}


def build_asyncapi(version: str, base_url: str, closes: Mapping[int, str] | None = None) -> Json:
    """Return the AsyncAPI document.

    :param base_url: the public address of the service, `http` or `https`.
    :param closes: the codes with which the server closes a connection, and the reason of each.
    """
    scheme, _, host = base_url.partition("://")
    sent = {"plainEvent": _EVENT_REFERENCE, **{name: _reference(name) for name in SERVER_MESSAGES}}
    received = {name: _reference(name) for name in CLIENT_MESSAGES}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "POS backend: live updates",
            "version": version,
            "description": (
                f"A client that just opens /ws is sent plainEvent and nothing else, from now on. With the subprotocol "
                f"{SUBPROTOCOL}, or with ?since=, it speaks the other messages."
            ),
        },
        "servers": {
            "shop": {
                "host": host,
                "protocol": "wss" if scheme == "https" else "ws",
                "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in _SECURITY],
            }
        },
        "channels": {
            "live": {
                "address": "/ws",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in (*sent, *received)},
                "bindings": {"ws": {"query": _QUERY}},
                "x-close-codes": {str(code): reason for code, reason in (closes or {}).items()},
            }
        },
        "operations": {
            "tell": _operation("send", sent),
            "hear": _operation("receive", received),
        },
        "components": {
            "schemas": {"event": EVENT, **SERVER_MESSAGES, **CLIENT_MESSAGES},
            "securitySchemes": _SECURITY,
            "messages": {
                name: {"contentType": "application/json", "payload": payload}
                for name, payload in (sent | received).items()
            },
        },
    }


def _reference(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _operation(action: str, messages: Json) -> Json:
    return {
        "action": action,
        "channel": {"$ref": "#/channels/live"},
        "messages": [{"$ref": f"#/channels/live/messages/{name}"} for name in messages],
    }
