"""How one signs in, wired: for the service, and for the commands that change who may."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from app.settings import Settings
from repositories.accounts import Devices, JournalOf, Users
from repositories.attempts import Attempts
from repositories.credentials import Credentials
from repositories.database import Database
from repositories.passwords import Passwords
from repositories.rate_limits import RateLimits
from repositories.sessions import Sessions
from repositories.sign_in import SignIn


class Accounts:
    """What a database has of people, devices and their sign-ins.

    :param clock: the present instant, UTC.
    :param journal_of: the journal of a store, by its name.
    :param rate_limits: None where nobody comes with tokens.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        clock: Callable[[], datetime],
        journal_of: JournalOf,
        rate_limits: RateLimits | None = None,
    ) -> None:
        self._passwords = Passwords(settings.secret_key)
        self.credentials = Credentials(database, clock, rate_limits=rate_limits)
        self.sessions = Sessions(database, self.credentials, clock)
        around = (database, settings.store_id, journal_of, self.sessions, clock)
        self.users = Users(*around, self._passwords)
        self.devices = Devices(*around)
        #: What a handler finds in `request.state`.
        self.handed: Mapping[str, Any] = {
            "passwords": self._passwords,
            "credentials": self.credentials,
            "sessions": self.sessions,
            "users": self.users,
            "devices": self.devices,
            "sign_in": SignIn(database, self._passwords, Attempts(database, clock), self.sessions),
        }

    def close(self) -> None:
        self._passwords.close()
