"""What a provider says of a failure, as people may read it: without keys, addresses and phone numbers."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

_LONGEST: Final = 200
_LONGEST_READ: Final = 2_000
_GAP: Final = "…"
_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]{0,20}://\S+", re.IGNORECASE)
#: Seven digits and more, however they are grouped. A provider's own codes have six at most.
_NUMBER: Final = re.compile(r"\+?\d(?:[\s().-]{0,3}\d){6,}")
_NOT_PRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def numeric_code(said: Any) -> int | None:
    """A provider's code, as a number; None where it is none."""
    return said if isinstance(said, int) and not isinstance(said, bool) else None


def cloud_error(error: Mapping[str, Any], *secrets: str) -> tuple[int | None, str]:
    """Code and reason of an error of the Cloud API, as its answers and its news have it."""
    data = error.get("error_data")
    said = (data.get("details") if isinstance(data, dict) else None) or error.get("message") or error.get("title")
    return numeric_code(error.get("code")), safe_reason(said, *secrets, otherwise="The provider gave no reason.")


def safe_reason(said: Any, *secrets: str, otherwise: str) -> str:
    """One line of at most 200 characters.

    :param said: what the provider said, of any type. otherwise: stands where that is no text.
    :param secrets: what must not be quoted.
    """
    text = said if isinstance(said, str) else ""
    for secret in secrets:
        if secret:
            text = text.replace(secret, _GAP).replace(quote(secret, safe=""), _GAP)
    text = _ADDRESS.sub(_GAP, _NOT_PRINTABLE.sub(" ", text[:_LONGEST_READ]))
    text = _NUMBER.sub(_GAP, text).strip()
    return (text if len(text) <= _LONGEST else text[: _LONGEST - 1] + _GAP) or otherwise
