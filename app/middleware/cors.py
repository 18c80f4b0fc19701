"""Starlette's CORS middleware, with refusals as problem documents."""

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from app.problem_details import problem


class Cors(CORSMiddleware):
    """Answer CORS preflight requests."""

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code < 400:  # noqa: PLR2004
            return response
        kept = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
        detail = "Pages of this origin may not send this request."
        return problem(response.status_code, "cors_refused", "Not for pages of this origin", detail, headers=kept)
