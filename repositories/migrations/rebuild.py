"""The rebuild of data that was derived by earlier rules: once, before the store opens."""

from pymongo.errors import PyMongoError

from repositories.database.client import RESTORING, Database
from repositories.database.errors import DatabaseRefused, first_clause
from repositories.event_log.earlier_events import CURRENT_LOG
from repositories.migrations.customer_backfill import BUILT as CUSTOMERS_BUILT
from repositories.migrations.customer_backfill import build_missing_customers
from repositories.migrations.log_conversion import convert_log
from repositories.migrations.search_terms import BUILT as TERMS_BUILT
from repositories.migrations.search_terms import build_missing_terms
from schemas.core.collections import COUNTERS


async def rebuild(database: Database, store: str, region: str) -> None:
    """Convert the log of an earlier version, and rebuild customers and search terms unless the current rules made them.
    Skip a store that is being restored.

    :raises DatabaseRefused: the database does not allow it now.
    """
    built = {**CURRENT_LOG, **CUSTOMERS_BUILT, **TERMS_BUILT}
    outdated = {"_id": store, "$nor": [built], RESTORING: {"$exists": False}}
    try:
        if await database[COUNTERS].find_one(outdated, {"_id": 1}) is None:
            return
        await convert_log(database, store)
    except PyMongoError as error:
        raise DatabaseRefused(f"The store cannot be prepared: {first_clause(error)}") from error
    await build_missing_customers(database, store, region)
    await build_missing_terms(database, store)
