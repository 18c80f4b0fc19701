"""Webhook requests of WhatsApp."""

import hmac
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

import httpx
import orjson

from tests.support.messaging.outgoing_messages import CLOUD_SETTINGS
from tests.support.shop import OpenShop, Shop

PATH: Final = "/api/whatsapp/webhook"
SECRET: Final = "0123456789abcdef0123456789abcdef"
VERIFY: Final = "swordfish-1"
#: Seconds of the epoch: 2026-11-24 10:00 UTC.
AT: Final = 1_795_514_400


async def connected(open_shop: OpenShop, base_url: str = "http://127.0.0.1:9", **settings: Any) -> Shop:
    """Open a shop with the Cloud API and its webhook.

    :param base_url: of the API.
    """
    keys = {"app_secret": SECRET, "verify_token": VERIFY, "base_url": base_url}
    return await open_shop(whatsapp=replace(CLOUD_SETTINGS, **keys), **settings)


def status(provider_id: str, state: str, at: int = AT, **more: Any) -> dict[str, Any]:
    return {"id": provider_id, "status": state, "timestamp": str(at), "recipient_id": "919822012345", **more}


def payload(*statuses: Any) -> dict[str, Any]:
    """Return the body in which Meta sends statuses."""
    metadata = {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "statuses": list(statuses)}
    change = {"value": value, "field": "messages"}
    return {"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": [change]}]}


def signature(raw: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), raw, sha256).hexdigest()


async def send_statuses(shop: Shop, *statuses: Any) -> httpx.Response:
    """Send a correctly signed request to a shop."""
    raw = orjson.dumps(payload(*statuses))
    return await shop.http.post(PATH, content=raw, headers={"X-Hub-Signature-256": signature(raw)})


async def verify(shop: Shop, **changes: str) -> httpx.Response:
    query = {"hub.mode": "subscribe", "hub.verify_token": VERIFY, "hub.challenge": "1158201444", **changes}
    return await shop.http.get(PATH, params=query)
