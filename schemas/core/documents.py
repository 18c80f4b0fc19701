"""The type of stored documents and request bodies."""

from typing import Any

Document = dict[str, Any]
