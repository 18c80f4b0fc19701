"""Long-lived connections: WebSockets and event streams. Each is closed when its credential is no longer valid.

A request is authorized once, but a client can stay connected for weeks. So the credentials of all open connections of
this process are checked every two seconds in one database query, which reads one row per credential, however many
connections use it. While the database is unavailable no connection is closed. Expiry is checked without the database.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from endpoints.accounts.guard import admitted
from endpoints.accounts.permissions import Roles
from endpoints.http.errors import Forbidden
from repositories.accounts.credentials import Credentials, TokenStatus
from repositories.concurrency.supervised_task import SupervisedTask
from repositories.database.errors import Unavailable
from schemas.core.calendar import Clock
from schemas.core.principals import Principal
from schemas.live.close_codes import FORBIDDEN, NOT_SIGNED_IN, SIGN_IN_EXPIRED

CHECK_SECONDS: Final = 2.0

End = Callable[[int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Connection:
    """One connection.

    :param roles: the roles that may have it.
    :param end: ends it, with a close code.
    """

    principal: Principal
    store: str
    roles: Roles
    end: End

    def refusal(self, known: TokenStatus) -> int | None:
        """Return the close code if the connection must end."""
        if known.principal is None:
            return SIGN_IN_EXPIRED if known.is_expired else NOT_SIGNED_IN
        try:
            admitted(known.principal, self.roles, self.store)
        except Forbidden:
            return FORBIDDEN
        return None


class Connections:
    """The open connections of one process.

    :param credentials: None if the service runs without sign-in; then no connection is checked.
    """

    def __init__(self, credentials: Credentials | None, clock: Clock) -> None:
        self._credentials = credentials
        self._clock = clock
        self._connections: dict[str, set[Connection]] = {}
        self._watching: SupervisedTask | None = None

    def __iter__(self) -> Iterator[Connection]:
        return iter([connection for connections in self._connections.values() for connection in connections])

    def start(self) -> None:
        if self._credentials is not None:
            self._watching = SupervisedTask("The credential check", partial(self._watch, self._credentials))
            self._watching.start()

    async def stop(self) -> None:
        if self._watching is not None:
            await self._watching.stop()

    def add(self, principal: Principal, store: str, roles: Roles, end: End) -> Connection:
        """Register a connection. `end` is called at most once, after the connection was removed."""
        connection = Connection(principal, store, roles, end)
        if principal.credential is not None:
            self._connections.setdefault(principal.credential, set()).add(connection)
        return connection

    def remove(self, connection: Connection) -> None:
        """Remove a connection that has ended."""
        digest = connection.principal.credential
        connections = self._connections.get(digest) if digest is not None else None
        if digest is not None and connections is not None:
            connections.discard(connection)
            if not connections:
                del self._connections[digest]

    def _end(self, connection: Connection, code: int) -> None:
        self.remove(connection)
        connection.end(code)

    async def _watch(self, credentials: Credentials) -> None:
        looking = asyncio.create_task(self._check(credentials))
        try:
            while True:
                await asyncio.sleep(CHECK_SECONDS)
                self._end_expired()
                if looking.done():
                    looking = asyncio.create_task(self._check(credentials))
        finally:
            looking.cancel()

    def _end_expired(self) -> None:
        now = self._clock()
        for connection in self:
            expires_at = connection.principal.expires_at
            if expires_at is not None and expires_at <= now:
                self._end(connection, SIGN_IN_EXPIRED)

    async def _check(self, credentials: Credentials) -> None:
        if not self._connections:
            return
        with suppress(Unavailable):
            for digest, known in (await credentials.resolve_all(self._connections)).items():
                for connection in tuple(self._connections.get(digest, ())):
                    code = connection.refusal(known)
                    if code is not None:
                        self._end(connection, code)
