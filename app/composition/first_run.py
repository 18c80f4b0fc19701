"""The first start of a service that requires sign-in: the setup token, and the log line with instructions."""

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
    """Return the token that creates the first owner: the setting, or one derived from the secret key, so that all
    processes agree; None without both."""
    if settings.setup_token is not None or settings.secret_key is None:
        return settings.setup_token
    digest = hmac.digest(settings.secret_key.encode(), _PURPOSE, sha256)
    return urlsafe_b64encode(digest).decode().rstrip("=")


async def log_setup_instructions(settings: Settings, setup: ShopSetup) -> None:
    """Log how to create the first owner, in one process, while there is no owner."""
    if settings.is_open or await setup.is_complete() or not await setup.acquire_notice(_this_server()):
        return
    # The operator knows a token of the settings, so the log need not show it.
    token = "$SETUP_TOKEN" if settings.setup_token else setup_token(settings)
    logger.critical(
        # Without quotes, which a JSON log would escape.
        "The service has no owner yet. To create the first owner, run this with a password of 12 characters or more: "
        "curl %s/api/setup --data-urlencode token=%s --data-urlencode username=owner --data-urlencode name=Owner "
        "--data-urlencode password=YOUR-PASSWORD",
        settings.public_base_url,
        token,
    )


def _this_server() -> str:
    """Return a name that all workers of this server share."""
    parent = parent_process()
    return f"{socket.gethostname()} {os.getpid() if parent is None else parent.pid}"
