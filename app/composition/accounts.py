"""The construction of users, devices and sign-in, for the service and for commands."""

from typing import TypedDict

from app.config.settings import Settings
from repositories.accounts.accounts import Devices, JournalOf, Users
from repositories.accounts.credentials import Credentials
from repositories.accounts.login_throttle import LoginThrottle
from repositories.accounts.password_hashing import Passwords
from repositories.accounts.rate_limits import RateLimits
from repositories.accounts.sessions import Sessions
from repositories.accounts.sign_in import SignIn
from repositories.database.client import Database
from schemas.core.calendar import Clock


class AccountState(TypedDict):
    """The state of requests that use users, devices and sessions."""

    passwords: Passwords
    credentials: Credentials
    sessions: Sessions
    users: Users
    devices: Devices
    sign_in: SignIn


class Accounts:
    """Users, devices, sessions and credentials of a database.

    :param rate_limits: None for commands, which check no tokens.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        clock: Clock,
        journal_of: JournalOf,
        rate_limits: RateLimits | None = None,
    ) -> None:
        self._passwords = Passwords(settings.secret_key)
        self.credentials = Credentials(database, clock, rate_limits=rate_limits)
        self.sessions = Sessions(database, self.credentials, clock)
        around = (database, settings.store_id, journal_of, self.sessions, clock)
        self.users = Users(*around, self._passwords)
        self.devices = Devices(*around)
        self.state: AccountState = {
            "passwords": self._passwords,
            "credentials": self.credentials,
            "sessions": self.sessions,
            "users": self.users,
            "devices": self.devices,
            "sign_in": SignIn(database, self._passwords, LoginThrottle(database, clock), self.sessions),
        }

    def close(self) -> None:
        self._passwords.close()
