"""Yardsticks for our figures: the same server, flags and payload, with less work.

`echo` reads JSON and writes it back. `validation` is the real endpoint, schema, pricing and response, with a journal
that stores nothing. `obvious` is a simple implementation: for each request, it increments a counter, then inserts one
document. `pinging` sends a ping to the database. `inserting` inserts one document as durably as the journal commits.
"""

import itertools
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from pymongo import ReturnDocument, WriteConcern
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.clock import utc_now
from endpoints.http.requests import read_json
from endpoints.http.responses import answer
from endpoints.sales.orders import BODY, SaleCreation
from repositories.database.client import Client, connect
from repositories.journal.command import Command
from repositories.journal.transaction import Outcome, apply_command
from repositories.journal.unit_of_work import Counters, UnitOfWork
from schemas.core.collections import ORDERS
from schemas.core.principals import LOCAL_OWNER
from schemas.core.public_ids import new_id
from schemas.fields.validation import load_body
from schemas.sales.documents import draft_sale
from schemas.sales.serializers import Serializers

CREATE_SALE = "/api/orders/create-sale"
ZONE = ZoneInfo("Asia/Kolkata")


class Echo(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        return Response(orjson.dumps({"status": "ok"}), media_type="application/json")

    async def post(self, request: Request) -> Response:
        return Response(orjson.dumps(orjson.loads(await request.body())), media_type="application/json")


echo = Starlette(routes=[Route(CREATE_SALE, Echo), Route("/", Echo)])


class Forgetful:
    """A journal without a database: it runs the command, and stores nothing."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    async def submit(self, command: Command) -> Outcome:
        number = next(self._numbers)
        work = UnitOfWork(
            store="main",
            zone=ZONE,
            now=datetime.now(UTC),
            counters=Counters({ORDERS: number}, number),
            documents={},
            requests={},
        )
        outcome = apply_command(command, work)
        assert isinstance(outcome, Outcome)
        return outcome


class Deaf:
    def notify(self, events: Any) -> None: ...


@asynccontextmanager
async def _validating(_: Starlette) -> AsyncIterator[dict[str, Any]]:
    yield {
        "clock": utc_now,
        "journal": Forgetful(),
        "hub": Deaf(),
        "serializers": Serializers(ZONE),
        "principal": LOCAL_OWNER,
    }


validation = Starlette(routes=[Route(CREATE_SALE, SaleCreation)], lifespan=_validating)


@asynccontextmanager
async def _connected(_: Starlette) -> AsyncIterator[dict[str, Any]]:
    client: Client = connect(os.environ["MONGODB_URL"])
    yield {"client": client, "database": client[os.environ["DATABASE_NAME"]]}
    client.close()


class ObviousSale(HTTPEndpoint):
    async def post(self, request: Request) -> Response:
        draft = draft_sale(load_body(BODY, await read_json(request)))
        database = request.state.database
        counter = await database.obvious_counters.find_one_and_update(
            {"_id": "orders"}, {"$inc": {"value": 1}}, upsert=True, return_document=ReturnDocument.AFTER
        )
        order = {"_id": new_id(ORDERS, utc_now()), "number": counter["value"], "created_at": utc_now(), **draft}
        await database.obvious_orders.insert_one(order)
        return answer({"success": True, "order_id": order["_id"], "number": order["number"]}, 201)


class DurableInsert(HTTPEndpoint):
    async def post(self, request: Request) -> Response:
        body = await read_json(request)
        orders = request.state.database.get_collection("inserted", write_concern=WriteConcern(w="majority", j=True))
        await orders.insert_one(body)
        return answer({"success": True}, 201)


class Ping(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        await request.state.client.admin.command("ping")
        return answer({"ok": True})


database = Starlette(
    routes=[
        Route("/", Echo),
        Route("/obvious", ObviousSale),
        Route("/inserting", DurableInsert),
        Route("/pinging", Ping),
    ],
    lifespan=_connected,
)
