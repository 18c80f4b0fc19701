"""The body that claims a shop, and what is shown of the owner whom that makes."""

from typing import Any, Final

from marshmallow import ValidationError, fields

from schemas.documents import Body
from schemas.fields import Text

SHORTEST_PASSWORD, LONGEST_PASSWORD = 12, 256
_LONGEST_TOKEN: Final = 500


class Secret(fields.String):
    """Text that is taken as it is, and quoted nowhere."""

    def __init__(self, shortest: int, longest: int, **kwargs: Any) -> None:
        self.refusal = f"must be text of {shortest} to {longest} characters"
        lengths = {"minLength": shortest, "maxLength": longest}
        super().__init__(metadata=lengths, error_messages={"null": self.refusal}, **kwargs)
        self.shortest, self.longest = shortest, longest

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str) or not self.shortest <= len(value) <= self.longest:
            raise ValidationError(self.refusal)
        return value


class SetupBody(Body):
    """token: of the log, or `SETUP_TOKEN`. username: to sign in with; case does not matter."""

    token = Secret(1, _LONGEST_TOKEN, required=True)
    username = Text(required=True)
    name = Text(required=True)
    password = Secret(SHORTEST_PASSWORD, LONGEST_PASSWORD, required=True)
