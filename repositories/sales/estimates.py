"""Estimates: reads, and commands to the journal."""

from collections.abc import Callable
from datetime import datetime

from repositories.database.client import Database
from repositories.journal.transaction import Outcome
from repositories.leadership.shared_journal import SharedJournal
from repositories.sales.commands import ConvertEstimate, CreateDocument, ReplaceEstimate
from repositories.sales.documents import Documents
from repositories.sales.void_commands import VoidEstimate
from schemas.core.collections import ESTIMATES
from schemas.core.documents import Document
from schemas.core.principals import Actor
from schemas.core.public_ids import ESTIMATE_PREFIX, ORDER_PREFIX, new_id
from schemas.journal.idempotency import RequestKey


class EstimateRepository(Documents):
    """The estimates of one store. `Documents` reads them; all writes go through the journal."""

    def __init__(self, database: Database, store: str, journal: SharedJournal, clock: Callable[[], datetime]) -> None:
        super().__init__(database, store, ESTIMATES)
        self._journal = journal
        self._clock = clock

    async def create(self, draft: Document, keys: tuple[RequestKey, ...] = (), *, actor: Actor) -> Outcome:
        """Create an estimate, and return its summary.

        :param draft: the result of `schemas.sales.documents.draft`.
        """
        estimate_id = new_id(ESTIMATE_PREFIX, self._clock())
        return await self._journal.submit(CreateDocument(ESTIMATES, estimate_id, draft, keys=keys, actor=actor))

    async def replace(
        self, estimate_id: str, draft: Document, versions: frozenset[int] | None = None, *, actor: Actor
    ) -> Outcome:
        """Replace the body of an estimate, and return the whole document.

        :raises NotFound, AlreadyConverted, StaleVersion:
        """
        return await self._journal.submit(ReplaceEstimate(estimate_id, draft, versions, actor=actor))

    async def convert(
        self,
        estimate_id: str,
        *,
        payment_mode: str,
        amount_paid: int | None = None,
        sale_by: str | None = None,
        keys: tuple[RequestKey, ...] = (),
        actor: Actor,
    ) -> Outcome:
        """Convert an estimate to an order, once, and return the order's summary.

        :param amount_paid: in minor units; None for the total.
        :raises NotFound, AlreadyConverted:
        """
        order_id = new_id(ORDER_PREFIX, self._clock())
        command = ConvertEstimate(estimate_id, order_id, payment_mode, amount_paid, sale_by, keys=keys, actor=actor)
        return await self._journal.submit(command)

    async def void(
        self,
        estimate_id: str,
        *,
        reason: str | None = None,
        voided_by: str | None = None,
        versions: frozenset[int] | None = None,
        keys: tuple[RequestKey, ...] = (),
        actor: Actor,
    ) -> Outcome:
        """Void an unconverted estimate.

        :param voided_by: who decided it, as the client names them; None for the actor.
        :raises NotFound, AlreadyConverted, StaleVersion:
        """
        return await self._journal.submit(
            VoidEstimate(estimate_id, reason, voided_by, versions, keys=keys, actor=actor)
        )
