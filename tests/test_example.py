"""The example of the README, as written."""

import json

from tests.shop import Shop


async def test_a_sale_is_heard_on_the_socket(shop: Shop) -> None:
    async with shop.listen() as socket:
        estimate = await shop.estimate()
        frame = json.loads(await socket.recv())
    assert frame["type"] == "estimate"
    assert frame["action"] == "create"
    assert frame["id"] == estimate["estimate_id"]
    assert frame["data"]["total"] == 100.0
