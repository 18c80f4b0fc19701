"""Stored documents and bodies of requests, as every floor knows them."""

from typing import Any

Document = dict[str, Any]
