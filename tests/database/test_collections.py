"""Each collection is in the registry, from which the archive, the journal and the documentation take their lists."""

import asyncio
import re
from typing import Any

from pymongo.database import Database

from repositories.migrations.indexes import index_models
from repositories.migrations.occupied_collections import refuse_occupied
from schemas.core import collections
from schemas.core.collections import CLIENTS, EARLIER, EVENT_TYPES, OWNERS, REGISTRY, SUBSCRIBERS
from tests.documentation.test_completeness import ROOT
from tests.support.all_collections import fill_all_collections
from tests.support.shop import OpenShop

#: Written by `pos import-legacy` only.
IMPORTED = {"adopted", "adoption"}
#: Written by the library for rate limits; the service uses fixed windows only.
UNUSED = {"rate_windows"}


def test_every_name_is_registered() -> None:
    names = {value for name, value in vars(collections).items() if name.isupper() and isinstance(value, str)}
    assert names - {CLIENTS, SUBSCRIBERS, OWNERS} == {*REGISTRY, *EARLIER}
    assert index_models(90).keys() <= REGISTRY.keys()
    assert len(set(EVENT_TYPES.values())) == len(EVENT_TYPES)


def test_the_documentation_describes_every_collection() -> None:
    described = (ROOT / "docs" / "architecture.md").read_text().partition("| collection | content |")[2]
    rows = [line.split("|")[1] for line in described.partition("\n\n")[0].splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == REGISTRY.keys()


async def test_a_running_service_writes_registered_collections_and_recognizes_its_documents(
    own: Database[Any], open_shop: OpenShop
) -> None:
    await fill_all_collections(open_shop, own.name)
    written = {name for name in own.list_collection_names() if own[name].find_one({})}
    assert written == REGISTRY.keys() - IMPORTED - UNUSED
    await asyncio.to_thread(refuse_occupied, own, index_models(90))
