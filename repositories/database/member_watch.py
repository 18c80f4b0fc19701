"""Closes connections that were opened to a server before it was a working member of its replica set.

A starting `mongod` listens before it knows its set. If the address names one server directly (`directConnection=true`),
the driver opens connections to it at that time, records that they support no sessions, and never checks again: each
transaction on them would fail until the process ends. So they are closed once the server is a member.
"""

from typing import Any

from pymongo import MongoClient, monitoring


class MemberWatch(monitoring.ServerListener):
    """The listener that closes such connections. The driver calls it from its own threads.

    :ivar client: the client whose connections are closed; set once it exists.
    """

    def __init__(self) -> None:
        self.client: MongoClient[Any] | None = None

    def description_changed(self, event: monitoring.ServerDescriptionChangedEvent) -> None:
        """Close the connections that were opened before the server became a working member."""
        became_member = event.new_description.is_readable and not event.previous_description.is_readable
        if became_member and self.client is not None:
            # There is no public API for this, other than a new client for every part that holds this one.
            server = self.client._topology.get_server_by_address(event.server_address)  # noqa: SLF001
            if server is not None:
                server.pool.reset_without_pause()

    def opened(self, event: monitoring.ServerOpeningEvent) -> None: ...

    def closed(self, event: monitoring.ServerClosedEvent) -> None: ...
