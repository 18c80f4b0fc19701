"""What is known of a database, as `examination.py` gathers it and `app/doctor` judges it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass
class DatabaseFacts:
    """None: not known, because it was not asked, could not be, or there was no time left.

    unreachable: why nobody answers (dns, tls, refused, auth, no_primary, timeout, invalid, other), and `detail` the
    driver's words, without credentials. clock: seconds that the server is ahead of us. Each of majority, transaction
    and change_stream is empty where it works, else what the driver says; majority_ms: how long a write took.
    """

    unreachable: str | None = None
    detail: str = ""
    version: str | None = None
    set_name: str | None = None
    is_mongos: bool = False
    primary: str | None = None
    clock: float | None = None
    majority: str | None = None
    majority_ms: float | None = None
    transaction: str | None = None
    change_stream: str | None = None
    oplog_hours: float | None = None
    disk_free: int | None = None
    indexes_missing: list[str] | None = None
    indexes_different: list[str] = field(default_factory=list)
    #: The store's counters, and the highest number of each kind that a document has.
    counters: Mapping[str, Any] | None = None
    are_counters_known: bool = False
    highest: Mapping[str, int] | None = None
    newest_event: int | None = None
    #: The count and the amount (minor units) of live documents of each kind, by the totals and by the documents.
    by_totals: Mapping[str, tuple[int, int]] | None = None
    by_documents: Mapping[str, tuple[int, int]] | None = None
    newest: datetime | None = None
    #: Of the key that passwords are made with.
    key_proof: str | None = None
    adoption: str | None = None
    #: Where the earlier backend has written since, a sentence each.
    late: list[str] = field(default_factory=list)
    seconds: float = 0.0
