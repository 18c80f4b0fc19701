"""FastAPI with one route. Pydantic checks a sale, Beanie inserts it, and the answer is the stored document.

The client sets `w: "majority", j: true`, as ours does.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from beanie import Document, init_beanie
from fastapi import FastAPI
from pydantic import BaseModel
from pymongo import AsyncMongoClient


class Line(BaseModel):
    id: int
    name: str
    price: float
    quantity: int
    discount: float


class Sale(Document):  # type: ignore[misc]
    customer_name: str
    customer_phone: str
    customer_address: str
    sale_by: str
    items: list[Line]
    subtotal: float
    discount_amount: float
    is_percentage_discount: bool
    total: float


@asynccontextmanager
async def _connected(_: FastAPI) -> AsyncIterator[None]:
    client: AsyncMongoClient[dict[str, Any]]
    async with AsyncMongoClient(os.environ["MONGODB_URL"], w="majority", journal=True) as client:
        await init_beanie(client[os.environ["DATABASE_NAME"]], document_models=[Sale])
        yield


app = FastAPI(lifespan=_connected)


@app.post("/sales", status_code=201)  # type: ignore[untyped-decorator]
async def create_sale(sale: Sale) -> Sale:
    await sale.insert()
    return sale
