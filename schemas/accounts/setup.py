"""The body that sets up a shop."""

from schemas.accounts.accounts import Login, Secret, Token
from schemas.accounts.password_policy import MIN_LENGTH
from schemas.fields.body import Body
from schemas.fields.inputs import Text


class SetupBody(Body):
    """The first owner, and the setup token: the one in the log, or `SETUP_TOKEN`."""

    token = Token(required=True)
    username = Login(is_new=True, required=True)
    name = Text(required=True)
    password = Secret(required=True, metadata={"minLength": MIN_LENGTH})
