"""The facts about a database that `inspection.py` collects and `app/diagnostics` evaluates."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass
class DatabaseFacts:
    """Facts about a database. None: unknown, because it was not collected or there was no time left."""

    #: Why the database cannot be reached: dns, tls, refused, auth, no_primary, timeout, invalid or other.
    unreachable: str | None = None
    #: The driver's message, without credentials.
    detail: str = ""
    version: str | None = None
    set_name: str | None = None
    is_mongos: bool = False
    primary: str | None = None
    #: The seconds that the server's clock is ahead of ours.
    clock: float | None = None
    #: Each of `majority`, `transaction` and `change_stream`: empty if it works, else the driver's message.
    majority: str | None = None
    #: The duration of a majority write.
    majority_ms: float | None = None
    transaction: str | None = None
    change_stream: str | None = None
    oplog_hours: float | None = None
    disk_free: int | None = None
    indexes_missing: list[str] | None = None
    indexes_different: list[str] = field(default_factory=list)
    #: The store's counters.
    counters: Mapping[str, Any] | None = None
    are_counters_known: bool = False
    #: The highest number of a document, by kind.
    highest: Mapping[str, int] | None = None
    newest_event: int | None = None
    #: By kind, the count and the amount (minor units) of documents that are not voided, from the rollups and from the
    #: documents themselves.
    by_totals: Mapping[str, tuple[int, int]] | None = None
    by_documents: Mapping[str, tuple[int, int]] | None = None
    #: The time of the newest document or event.
    newest: datetime | None = None
    #: The stored proof of SECRET_KEY.
    key_proof: str | None = None
    legacy_import: str | None = None
    #: Where the earlier backend has written since the import, a sentence each.
    late: list[str] = field(default_factory=list)
    seconds: float = 0.0
