"""The close codes of WebSockets, of RFC 6455 and our own, with their reasons."""

from typing import Final

RESTARTING, TRY_LATER = 1012, 1013
BAD_FRAME, FORBIDDEN, TOO_MANY_MESSAGES, TOO_SLOW = 4400, 4403, 4429, 4430
NOT_SIGNED_IN, SIGN_IN_EXPIRED = 4401, 4431

REASONS: Final = {
    RESTARTING: "the server restarts",
    TRY_LATER: "too many connections, or no database",
    BAD_FRAME: "bad frame",
    NOT_SIGNED_IN: "not signed in",
    FORBIDDEN: "this origin, role or store is not allowed",
    TOO_MANY_MESSAGES: "too many messages",
    TOO_SLOW: "too slow",
    SIGN_IN_EXPIRED: "the sign-in has expired",
}
