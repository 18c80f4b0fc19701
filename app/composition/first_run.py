"""The first start of a shop where people sign in: the token that claims it, and the line that says how."""

import hmac
import logging
import os
import socket
from base64 import urlsafe_b64encode
from hashlib import sha256
from multiprocessing import parent_process
from typing import Final

from app.config.settings import Settings
from repositories.accounts.setup import ShopSetup

_PURPOSE: Final = b"pos setup token"

logger = logging.getLogger("pos")


def setup_token(settings: Settings) -> str | None:
    """What claims the shop: as it is set, else made of the secret key, so that all processes agree. None: nothing does,
    since there is neither."""
    if settings.setup_token is not None or settings.secret_key is None:
        return settings.setup_token
    digest = hmac.digest(settings.secret_key.encode(), _PURPOSE, sha256)
    return urlsafe_b64encode(digest).decode().rstrip("=")


async def log_setup_instructions(settings: Settings, claim: ShopSetup) -> None:
    """Says so in one line of the log, from one process, while nobody has claimed the shop.

    :raises Unavailable: the database is away.
    """
    if settings.is_open or await claim.is_complete() or not await claim.acquire_notice(_this_server()):
        return
    # A token that was set is known to whoever set it, and need not stand in a log.
    shown = "$SETUP_TOKEN" if settings.setup_token else setup_token(settings)
    logger.critical(
        # Without quotes, which a log in JSON would escape.
        "THIS SHOP HAS NO OWNER YET. Make yourself its owner, once, with a password of 12 characters or more: "
        "curl %s/api/setup --data-urlencode token=%s --data-urlencode username=owner --data-urlencode name=Owner "
        "--data-urlencode password=YOUR-PASSWORD",
        settings.public_base_url,
        shown,
    )


def _this_server() -> str:
    """The same in all the workers of a server."""
    parent = parent_process()
    return f"{socket.gethostname()} {os.getpid() if parent is None else parent.pid}"
