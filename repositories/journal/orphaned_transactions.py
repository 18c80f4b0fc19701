"""Transactions that nobody will finish: those of a process that died in the middle of one.

MongoDB ends them by itself only after a minute (`transactionLifetimeLimitSeconds`), and until then they hold what they
have written, the store's counters first of all, so that nobody could sell. Ending one that is still alive, but slow,
does no harm: its journal is told so, and tries again.
"""

import logging
from typing import Any, Final

from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from repositories.database.client import APPLICATION, Client
from repositories.database.errors import safe_error_text

#: A transaction of a live process waits for its process for milliseconds; one that waits for so long waits in vain.
ORPHANED_SECONDS: Final = 1.0

logger = logging.getLogger("pos.journal")


async def abort_orphaned_transactions(client: Client) -> None:
    """Ends the open transactions of this service that nobody has asked for anything for a while.

    A database that does not allow that, or is away, leaves them to their own end; nobody is told but the log.
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
            logger.warning("%d transactions that a dead process had left open were ended.", len(idle))
    except PyMongoError as error:
        logger.warning("Transactions that were left open cannot be ended: %s", safe_error_text(error))
