"""Why the server closes a WebSocket, in numbers of RFC 6455 and of our own."""

from typing import Final

RESTARTING, TRY_LATER = 1012, 1013
BAD_FRAME, FORBIDDEN, TOO_MANY_MESSAGES, TOO_SLOW = 4400, 4403, 4429, 4430

REASONS: Final = {
    RESTARTING: "the server restarts",
    TRY_LATER: "too many connections",
    BAD_FRAME: "bad frame",
    FORBIDDEN: "this origin is not allowed",
    TOO_MANY_MESSAGES: "too many messages",
    TOO_SLOW: "too slow",
}
