"""`/docs`, `/openapi.json` and `/asyncapi.json`: the documentation of the API.

The page is Swagger UI from an installed package, so it works without the internet. Its security policy permits no
request to another host.
"""

from base64 import b64encode
from functools import lru_cache
from hashlib import sha256
from typing import Final, Protocol, runtime_checkable

import orjson
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import Response
from swagger_ui_bundle import swagger_ui_path  # type: ignore[import-untyped]

from endpoints.http.operations import Operation, ResponseSpec, operation
from endpoints.http.requests import matches_etag
from endpoints.http.responses import JSON
from endpoints.http.state import ShopState
from endpoints.transfer.assets import Asset, asset, asset_answer
from endpoints.transfer.compressible import CompressibleBody
from schemas.fields.shapes import ref
from schemas.live.asyncapi import build_asyncapi
from schemas.live.close_codes import REASONS

_REVALIDATED: Final = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
# For a day: they change only with the package.
_CACHED: Final = {"Cache-Control": "public, max-age=86400"}
#: The files of the package that the page loads.
ASSETS: Final = {
    name: Asset.read(swagger_ui_path, name, _CACHED)
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")
}
_SCRIPT: Final = """
SwaggerUIBundle({
  url: "openapi.json", dom_id: "#page", deepLinking: true, validatorUrl: null, displayRequestDuration: true,
  defaultModelsExpandDepth: 0, docExpansion: "list", persistAuthorization: true,
});
"""
_HTML: Final = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>POS backend: API</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="page"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script>{_SCRIPT}</script>
</body>
</html>
"""
_POLICY: Final = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    f"script-src 'self' 'sha256-{b64encode(sha256(_SCRIPT.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_PAGE: Final = Asset.of(_HTML.encode(), "html", {"Content-Security-Policy": _POLICY})


@runtime_checkable
class OpenApiDocument(Protocol):
    """The OpenAPI document.

    :ivar file: JSON.
    """

    @property
    def file(self) -> CompressibleBody: ...

    @property
    def etag(self) -> str: ...


class DocumentationState(ShopState):
    description: OpenApiDocument


DocumentationRequest = Request[DocumentationState]


def _document(summary: str, standard: str) -> Operation:
    return Operation(
        summary=summary,
        headers=("If-None-Match",),
        responses={
            200: ResponseSpec(content=ref("Document"), description=standard, headers=("ETag",)),
            304: ResponseSpec(content=None, description="Nothing has changed.", headers=("ETag",)),
        },
    )


@lru_cache(maxsize=4)
def _live_updates(version: str, address: str) -> Asset:
    """Return the description of `/ws`, which is made and compressed once."""
    return Asset.of(orjson.dumps(build_asyncapi(version, address, REASONS)), "json", {})


class AsyncApi(HTTPEndpoint):
    @operation(_document("The live updates at `/ws`, described for machines", "AsyncAPI 3.0."))
    async def get(self, request: DocumentationRequest) -> Response:
        return await _live_updates(request.state.about.version, request.state.public_base_url).answer(request)


class OpenApi(HTTPEndpoint):
    @operation(_document("This description", "OpenAPI 3.1."))
    async def get(self, request: DocumentationRequest) -> Response:
        description = request.state.description
        headers = {**_REVALIDATED, "ETag": description.etag}
        if matches_etag(request, description.etag):
            return Response(status_code=304, headers=headers)
        return await description.file.response(request, headers, JSON)


class Docs(HTTPEndpoint):
    @operation(asset("The API as a page, to read and to try", "text/html"))
    async def get(self, request: DocumentationRequest) -> Response:
        return await _PAGE.answer(request)


class DocsAsset(HTTPEndpoint):
    @operation(asset("A file of that page"))
    async def get(self, request: DocumentationRequest) -> Response:
        return await asset_answer(ASSETS, request.path_params["asset"], request)
