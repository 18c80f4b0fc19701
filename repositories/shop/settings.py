"""The settings of a store: read often, rarely changed."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from repositories.database.client import Database
from repositories.database.errors import read_deadline
from repositories.journal.command import Command, Reads, check_version
from repositories.journal.transaction import Outcome
from repositories.journal.unit_of_work import UnitOfWork
from repositories.leadership.shared_journal import SharedJournal
from schemas.core.collections import SETTINGS
from schemas.core.documents import Document
from schemas.core.principals import Actor
from schemas.journal import events
from schemas.shop.settings import ShopSettings, checked_changes, initial_switches

#: How long another process may still use the settings from before a change.
MAX_AGE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class ChangeSettings(Command):
    """Change settings of a store. Without a difference, nothing happens.

    :param store: the store; also the id of its settings.
    :param defaults: the settings of a store before its first change.
    """

    store: str
    defaults: ShopSettings
    changes: Document
    versions: frozenset[int] | None = None

    @property
    def reads(self) -> Reads:
        return ((SETTINGS, self.store),)

    def apply(self, work: UnitOfWork) -> Document:
        stored: Document | None = work.find(SETTINGS, self.store)
        settings = ShopSettings.of(stored, self.defaults)
        check_version(settings.version, self.versions)
        changes = checked_changes(settings, self.changes)
        if not changes:
            return stored or {}
        is_first = stored is None
        if stored is None:
            after: Document = work.add(SETTINGS, self.store, {**initial_switches(self.defaults), **changes})
        else:
            after = work.update(SETTINGS, stored, **changes)
        shown = ShopSettings.of(after, self.defaults).shown()
        work.emit(SETTINGS, events.CREATE if is_first else events.UPDATE, after, shown)
        return after


class ShopSettingsRepository:
    """The settings of one store, at most a second old, and up to date after a change through this object.

    :param defaults: the settings of a store before its first change.
    """

    def __init__(
        self,
        database: Database,
        store: str,
        journal: SharedJournal,
        defaults: ShopSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._collection = database[SETTINGS]
        self._store = store
        self._journal = journal
        self._defaults = defaults
        self._clock = clock
        self._settings: ShopSettings | None = None
        self._fresh_until = 0.0

    async def current(self) -> ShopSettings:
        settings, asked_at = self._settings, self._clock()
        if settings is not None and asked_at < self._fresh_until:
            return settings
        async with read_deadline():
            found = await self._collection.find_one({"_id": self._store})
        return self._update_cache(ShopSettings.of(found, self._defaults), asked_at)

    async def change(self, changes: Document, versions: frozenset[int] | None = None, *, actor: Actor) -> Outcome:
        """Change some settings. When this returns, `current` returns them.

        :param changes: as `ShopSettingsBody` loads them.
        :raises StaleVersion, InvalidBody:
        """
        command = ChangeSettings(self._store, self._defaults, changes, versions, actor=actor)
        outcome = await self._journal.submit(command)
        self._update_cache(ShopSettings.of(outcome.answer, self._defaults), self._clock())
        return outcome

    def _update_cache(self, settings: ShopSettings, as_of: float) -> ShopSettings:
        # Reads may finish in any order. Versions only rise, except in a restore, which takes longer than the cache.
        if self._settings is None or settings.version >= self._settings.version or as_of >= self._fresh_until:
            self._settings, self._fresh_until = settings, as_of + MAX_AGE_SECONDS
        return self._settings
