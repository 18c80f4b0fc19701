"""Checks of answers against the API's own OpenAPI document."""

import re
from typing import Any

import httpx
import orjson
from jsonschema_rs import Draft202012Validator

from app.openapi.document import document
from endpoints.routes import ROUTES
from schemas.core.errors import ShopError

Json = dict[str, Any]


class Contract:
    """An OpenAPI document.

    :ivar seen: each operation and status that was checked.
    :ivar codes: the error codes among them.
    """

    def __init__(self, document: Json) -> None:
        self.document = document
        self.seen: set[tuple[str, str, int]] = set()
        self.codes: set[str] = set()
        self._paths = [
            # In the order of the table, as the router matches.
            (re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))), path)
            for path in document["paths"]
        ]

    @property
    def operations(self) -> list[tuple[str, str, Json]]:
        return [(m, path, what) for path, methods in self.document["paths"].items() for m, what in methods.items()]

    def judge(self, response: httpx.Response) -> Any:
        """Check an answer, and return its JSON.

        :raises AssertionError: the document does not allow the answer.
        """
        request = response.request
        method, path = request.method.lower(), self._template(request.url.raw_path.decode().partition("?")[0])
        answers = self.document["paths"].get(path, {}).get(method, {}).get("responses", {})
        status = response.status_code
        if status == 405:
            assert method not in self.document["paths"].get(path, {}), f"{method} {path} is described"
            answers = {"405": self.document["components"]["responses"]["method_not_allowed"]}
        described = answers.get(str(status))
        assert described is not None, f"{method} {path} -> {status} is not described: {response.text[:500]}"
        self._judge_headers(described, response)
        self.seen.add((method, path, status))
        return self._judge_content(described.get("content"), response)

    def _template(self, path: str) -> str:
        return next((template for pattern, template in self._paths if pattern.fullmatch(path)), path)

    def _judge_headers(self, described: Json, response: httpx.Response) -> None:
        assert "x-request-id" in response.headers
        names = {name.lower() for name in described["headers"]}
        ours = {name.lower() for name in self.document["components"]["headers"]}
        unnamed = {name for name in response.headers if name in ours} - names
        assert unnamed == set(), f"{response.request.url}: {unnamed} are not described"
        for name in described["headers"]:
            if name in response.headers:
                schema = self.document["components"]["headers"][name]["schema"]
                value = response.headers[name]
                self.assert_valid(schema, int(value) if schema["type"] == "integer" else value)

    def _judge_content(self, content: Json | None, response: httpx.Response) -> Any:
        if content is None:
            assert response.content == b""
            return None
        ((media, described),) = content.items()
        media_type = response.headers["content-type"].partition(";")[0]
        assert media in (media_type, "*/*"), f"{media_type} instead of {media}"
        if not media_type.endswith("json"):
            return None
        shown = response.json()
        self.assert_valid(described["schema"], shown)
        if media_type == "application/problem+json":
            self.codes.add(shown["code"])
        return shown

    def assert_valid(self, schema: Json, value: Any) -> None:
        validator = Draft202012Validator({**schema, "components": self.document["components"]}, validate_formats=True)
        errors = [f"{error.instance_path}: {error.message}"[:400] for error in validator.iter_errors(value)]
        assert errors == []


def served_document() -> Json:
    """Return the served OpenAPI document."""
    served: Json = orjson.loads(orjson.dumps(document(ROUTES)))
    return served


def all_refusals() -> list[type[ShopError]]:
    """Return all classes of errors."""
    classes = [ShopError]
    for each in classes:
        classes += each.__subclasses__()
    return classes[1:]
