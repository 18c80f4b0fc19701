"""Connections that outlast their request: a screen, an event stream. Each stays for as long as whoever opened it may.

A request is let in once; a screen hangs on the wall for weeks. So whatever the open connections of this process were
let in with is looked at again and again, all of it in one reading of the database; of a thousand screens with one
credential, one row. Where the database is away nobody is shut out: it is asked again. What expires needs no database.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from endpoints.accounts.guard import admitted
from endpoints.accounts.permissions import Roles
from endpoints.http.errors import Forbidden
from repositories.accounts.credentials import Credentials, TokenStatus
from repositories.concurrency.supervised_task import SupervisedTask
from repositories.database.errors import Unavailable
from schemas.core.principals import Principal
from schemas.live.close_codes import FORBIDDEN, NOT_SIGNED_IN, SIGN_IN_EXPIRED

LOOK_SECONDS: Final = 2.0

End = Callable[[int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Connection:
    """One connection. store: that it is to. roles: those that may have it. end: ends it, with a close code."""

    principal: Principal
    store: str
    roles: Roles
    end: End

    def refusal(self, known: TokenStatus) -> int | None:
        """Why it may not go on, as a close code."""
        if known.principal is None:
            return SIGN_IN_EXPIRED if known.is_expired else NOT_SIGNED_IN
        try:
            admitted(known.principal, self.roles, self.store)
        except Forbidden:
            return FORBIDDEN
        return None


class Connections:
    """Those of one process.

    :param credentials: None where nobody signs in, and nobody has to go.
    :param clock: the present instant, UTC.
    """

    def __init__(self, credentials: Credentials | None, clock: Callable[[], datetime]) -> None:
        self._credentials = credentials
        self._clock = clock
        self._connections: dict[str, set[Connection]] = {}
        self._watching: SupervisedTask | None = None

    def __iter__(self) -> Iterator[Connection]:
        return iter([connection for connections in self._connections.values() for connection in connections])

    def start(self) -> None:
        if self._credentials is not None:
            self._watching = SupervisedTask("The watch over sign-ins", partial(self._watch, self._credentials))
            self._watching.start()

    async def stop(self) -> None:
        if self._watching is not None:
            await self._watching.stop()

    def begin(self, principal: Principal, store: str, roles: Roles, end: End) -> Connection:
        """A connection of theirs. `end` is called once at the most, when it counts as over already."""
        connection = Connection(principal, store, roles, end)
        if principal.credential is not None:
            self._connections.setdefault(principal.credential, set()).add(connection)
        return connection

    def leave(self, connection: Connection) -> None:
        """The connection is over."""
        digest = connection.principal.credential
        connections = self._connections.get(digest) if digest is not None else None
        if digest is not None and connections is not None:
            connections.discard(connection)
            if not connections:
                del self._connections[digest]

    def _end(self, connection: Connection, code: int) -> None:
        self.leave(connection)
        connection.end(code)

    async def _watch(self, credentials: Credentials) -> None:
        looking = asyncio.create_task(self._look(credentials))
        try:
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                self._end_expired()
                if looking.done():
                    looking = asyncio.create_task(self._look(credentials))
        finally:
            looking.cancel()

    def _end_expired(self) -> None:
        now = self._clock()
        for connection in self:
            expires_at = connection.principal.expires_at
            if expires_at is not None and expires_at <= now:
                self._end(connection, SIGN_IN_EXPIRED)

    async def _look(self, credentials: Credentials) -> None:
        if not self._connections:
            return
        with suppress(Unavailable):
            for digest, known in (await credentials.resolve_all(self._connections)).items():
                for connection in tuple(self._connections.get(digest, ())):
                    code = connection.refusal(known)
                    if code is not None:
                        self._end(connection, code)
