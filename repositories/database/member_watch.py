"""Connections that were opened to a server before it was a working member of its replica set.

A `mongod` that starts listens before it knows its set. Where the address asks for one server directly
(`directConnection=true`), the driver opens connections to it already then, notes that they know no sessions, and never
asks again: each transaction on them would fail for as long as the process lives. They are closed once it is a member.
"""

from typing import Any

from pymongo import MongoClient, monitoring


class MemberWatch(monitoring.ServerListener):
    """client: whose connections are closed; set once it exists. The driver calls from its own threads."""

    def __init__(self) -> None:
        self.client: MongoClient[Any] | None = None

    def description_changed(self, event: monitoring.ServerDescriptionChangedEvent) -> None:
        """Close the connections that were opened while the server was no working member."""
        became_member = event.new_description.is_readable and not event.previous_description.is_readable
        if became_member and self.client is not None:
            # No public way leads there, other than a new client for everyone who holds this one.
            server = self.client._topology.get_server_by_address(event.server_address)  # noqa: SLF001
            if server is not None:
                server.pool.reset_without_pause()

    def opened(self, event: monitoring.ServerOpeningEvent) -> None: ...

    def closed(self, event: monitoring.ServerClosedEvent) -> None: ...
