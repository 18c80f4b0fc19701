"""The body that claims a shop."""

from schemas.accounts.accounts import Login, Secret, Token
from schemas.accounts.password_policy import MIN_LENGTH
from schemas.fields.body import Body
from schemas.fields.inputs import Text


class SetupBody(Body):
    """token: of the log, or `SETUP_TOKEN`. username: to sign in with, in any case."""

    token = Token(required=True)
    username = Login(is_new=True, required=True)
    name = Text(required=True)
    password = Secret(required=True, metadata={"minLength": MIN_LENGTH})
