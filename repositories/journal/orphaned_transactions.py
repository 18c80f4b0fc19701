"""Open transactions of processes that died.

MongoDB aborts them only after a minute (`transactionLifetimeLimitSeconds`). Until then they lock the documents that
they wrote, the store's counters among them, so no till could sell. Aborting a transaction of a process that is only
slow does no harm: its journal gets a transient error, and tries again.
"""

import logging
from typing import Any, Final

from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from repositories.database.client import APPLICATION, Client
from repositories.database.errors import safe_error_text

#: A live process leaves its transaction idle for milliseconds only.
ORPHANED_SECONDS: Final = 1.0

logger = logging.getLogger("pos.journal")


async def abort_orphaned_transactions(client: Client) -> None:
    """Abort the transactions of this service that are idle for too long.

    If the database does not allow that, or is away, log a warning: the database aborts them later.
    """
    pipeline: list[dict[str, Any]] = [
        {"$currentOp": {"idleSessions": True}},
        {
            "$match": {
                "type": "idleSession",
                "clientMetadata.application.name": APPLICATION,
                "transaction.timeInactiveMicros": {"$gt": ORPHANED_SECONDS * 1_000_000},
            }
        },
        {"$project": {"lsid.id": 1}},
    ]
    try:
        admin = client.get_database("admin", read_concern=ReadConcern("local"))
        idle = await admin.aggregate(pipeline).to_list(None)
        if idle:
            await admin.command("killSessions", [{"id": operation["lsid"]["id"]} for operation in idle])
            logger.warning("%d transactions that a dead process had left open were aborted.", len(idle))
    except PyMongoError as error:
        logger.warning("Transactions that were left open cannot be aborted: %s", safe_error_text(error))
