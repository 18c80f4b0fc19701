"""Which documents are a store's, as filters that an index serves."""

from repositories.database import ORIGINALS, TOTALS
from schemas.documents import Document


def of_store(collection: str, store: str) -> Document:
    """A filter for all that a store has in a collection of documents."""
    if collection in (TOTALS, ORIGINALS):
        # A range of `_id`, which has an index; a field inside of it has none.
        return {"_id": {"$gte": {"store": store}, "$lt": {"store": store + "\x00"}}}
    return {"store": store}
