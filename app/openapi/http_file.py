"""`docs/pos.http`: the examples of the API's description as requests that editors send (REST Client, JetBrains).

python -m app.http_file > docs/pos.http
"""

import sys
from collections.abc import Iterator
from typing import Any, Final

import orjson

from app.openapi.document import document
from endpoints.routes import ROUTES

Json = dict[str, Any]

_HEAD: Final = """\
# Written by `make docs` from /openapi.json; a test fails where it is stale. Send what makes a document before what asks
# for one: ids and numbers are those of the answers.

@host = http://127.0.0.1:8000
"""


def render(described: Json) -> str:
    """The file, of an OpenAPI document: each operation, with each example of its body."""
    requests = [
        request
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
        for request in _requests(method.upper(), path, operation, _makers(described))
    ]
    return _HEAD + "".join(f"\n###\n\n{request}" for request in requests)


def _makers(described: Json) -> dict[str, str]:
    """By path parameter: the name of the first request whose answer gives it."""
    makers: dict[str, str] = {}
    for methods in described["paths"].values():
        for operation in methods.values():
            for answer in operation["responses"].values():
                for link in answer.get("links", {}).values():
                    for parameter in link["parameters"]:
                        makers.setdefault(parameter, operation["operationId"])
    return makers


def _requests(method: str, path: str, operation: Json, makers: dict[str, str]) -> Iterator[str]:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    examples = [(title, example["value"]) for title, example in body.get("examples", {}).items()] or [("", None)]
    # Of what is done to a document once, the first example is enough.
    for place, (title, value) in enumerate(examples[:1] if "{" in path else examples):
        lines = [f"# {operation['summary']}" + (f": {title}" if title else "")]
        if place == 0 and operation["operationId"] in makers.values():
            lines.append(f"# @name {_variable(operation['operationId'])}")
        lines.append(f"{method} {{{{host}}}}{_address(path, operation, makers)}")
        if value is not None:
            lines += ["Content-Type: application/json", "", orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()]
        yield "\n".join(lines) + "\n"


def _address(path: str, operation: Json, makers: dict[str, str]) -> str:
    parameters = [parameter for parameter in operation["parameters"] if "name" in parameter]
    for parameter in parameters:
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", _value(parameter, makers))
    query = [
        f"{parameter['name']}={_value(parameter, makers)}"
        for parameter in parameters
        if parameter["in"] == "query" and parameter["required"]
    ]
    return path + ("?" + "&".join(query) if query else "")


def _value(parameter: Json, makers: dict[str, str]) -> str:
    name, schema = parameter["name"], parameter["schema"]
    known = schema.get("examples") or schema.get("enum")
    return str(known[0]) if known else f"{{{{{_variable(makers[name])}.response.body.{name}}}}}"


def _variable(operation_id: str) -> str:
    return operation_id.replace("-", "_")


if __name__ == "__main__":
    sys.stdout.write(render(document(ROUTES)))
