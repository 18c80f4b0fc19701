"""The body that claims a shop."""

from schemas.accounts import Login, Secret, Token
from schemas.documents import Body
from schemas.fields import Text
from schemas.passwords import SHORTEST


class SetupBody(Body):
    """token: of the log, or `SETUP_TOKEN`. username: to sign in with, in any case."""

    token = Token(required=True)
    username = Login(is_new=True, required=True)
    name = Text(required=True)
    password = Secret(required=True, metadata={"minLength": SHORTEST})
