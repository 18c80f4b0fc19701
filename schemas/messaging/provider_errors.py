"""A provider's errors, safe to show: without keys, URLs and phone numbers."""

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


def numeric_code(code: Any) -> int | None:
    """Return a provider's code if it is an integer, else None."""
    return code if isinstance(code, int) and not isinstance(code, bool) else None


def cloud_error(error: Mapping[str, Any], *secrets: str) -> tuple[int | None, str]:
    """Return code and reason of an error in a response or a status update of the Cloud API."""
    data = error.get("error_data")
    sentence = (data.get("details") if isinstance(data, dict) else None) or error.get("message") or error.get("title")
    return numeric_code(error.get("code")), safe_reason(sentence, *secrets, otherwise="The provider gave no reason.")


def safe_reason(sentence: Any, *secrets: str, otherwise: str) -> str:
    """Return a provider's sentence as one line of at most 200 characters.

    :param said: the provider's sentence, of any type.
    :param secrets: texts that must not be quoted.
    :param otherwise: the result where `said` is no text or an empty one.
    """
    text = sentence if isinstance(sentence, str) else ""
    for secret in secrets:
        if secret:
            text = text.replace(secret, _GAP).replace(quote(secret, safe=""), _GAP)
    text = _ADDRESS.sub(_GAP, _NOT_PRINTABLE.sub(" ", text[:_LONGEST_READ]))
    text = _NUMBER.sub(_GAP, text).strip()
    return (text if len(text) <= _LONGEST else text[: _LONGEST - 1] + _GAP) or otherwise
