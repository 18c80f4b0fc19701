"""The yardstick: what the same stack does when it only reads JSON and writes it back."""

import orjson
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


class Echo(HTTPEndpoint):
    async def post(self, request: Request) -> Response:
        return Response(orjson.dumps(orjson.loads(await request.body())), media_type="application/json")


app = Starlette(routes=[Route("/api/orders/create-sale", Echo)])
