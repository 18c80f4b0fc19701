"""Orders: reads, and commands to the journal."""

from collections.abc import Callable
from datetime import datetime

from repositories.database.client import Database
from repositories.journal.transaction import Outcome
from repositories.leadership.shared_journal import SharedJournal
from repositories.sales.commands import ChangeStatus, CreateDocument
from repositories.sales.documents import Documents
from repositories.sales.void_commands import VoidOrder
from schemas.core.collections import ORDERS
from schemas.core.documents import Document
from schemas.core.principals import Actor
from schemas.core.public_ids import ORDER_PREFIX, new_id
from schemas.journal.idempotency import RequestKey


class OrderRepository(Documents):
    """The orders of one store. `Documents` reads them; all writes go through the journal."""

    def __init__(self, database: Database, store: str, journal: SharedJournal, clock: Callable[[], datetime]) -> None:
        super().__init__(database, store, ORDERS)
        self._journal = journal
        self._clock = clock

    async def create_sale(self, draft: Document, keys: tuple[RequestKey, ...] = (), *, actor: Actor) -> Outcome:
        """Create a sale, and return its summary.

        :param draft: the result of `schemas.sales.documents.draft_sale`.
        """
        order_id = new_id(ORDER_PREFIX, self._clock())
        return await self._journal.submit(CreateDocument(ORDERS, order_id, draft, keys=keys, actor=actor))

    async def change_status(
        self, order_id: str, status: str, versions: frozenset[int] | None = None, *, actor: Actor
    ) -> Outcome:
        """Change the status of an order, and return the whole document.

        :raises NotFound, IllegalTransition, StaleVersion:
        """
        return await self._journal.submit(ChangeStatus(order_id, status, versions, actor=actor))

    async def void(
        self,
        order_id: str,
        *,
        keep_estimate: bool = False,
        reason: str | None = None,
        voided_by: str | None = None,
        versions: frozenset[int] | None = None,
        keys: tuple[RequestKey, ...] = (),
        actor: Actor,
    ) -> Outcome:
        """Void an order, and void or reopen the estimate that it came from.

        :param voided_by: who decided it, as the client names them; None for the actor.
        :raises NotFound, StaleVersion:
        """
        # The order's estimate never changes, so it can be read before the transaction.
        order = await self.get(order_id, include_voided=bool(keys))
        return await self._journal.submit(
            VoidOrder(
                order_id, order["estimate_id"], keep_estimate, reason, voided_by, versions, keys=keys, actor=actor
            )
        )
