"""Order statuses and their transitions, estimate statuses, and payment groups."""

import re
from typing import Final

from schemas.core.errors import IllegalTransition
from schemas.text.folding import name_key

PENDING: Final = "Pending"
PROCESSING: Final = "Processing"
COMPLETED: Final = "Completed"
CANCELLED: Final = "Cancelled"
REFUNDED: Final = "Refunded"
CONVERTED: Final = "Converted"

TRANSITIONS: Final[dict[str, tuple[str, ...]]] = {
    PENDING: (PROCESSING, COMPLETED, CANCELLED),
    PROCESSING: (COMPLETED, CANCELLED),
    COMPLETED: (CANCELLED, REFUNDED),
    CANCELLED: (),
    REFUNDED: (),
}
ORDER_STATUSES: Final = tuple(TRANSITIONS)
ESTIMATE_STATUSES: Final = (PENDING, CONVERTED)
ALL_STATUSES: Final = (*ORDER_STATUSES, CONVERTED)

#: The statuses that count as revenue; cancelled and refunded orders are counted separately.
REVENUE_STATUSES: Final = (PENDING, PROCESSING, COMPLETED)

CASH: Final = "Cash"
PAYMENT_GROUPS: Final = ("cash", "card", "online", "upi", "bank_transfer", "cheque", "other")
#: Separators of words: the underscore, hyphens and dashes.
_JOINTS: Final = re.compile(r"[_\-\u2010-\u2015\u2212]")
_SYNONYMS: Final = {
    "credit card": "card",
    "debit card": "card",
    "bank transfer": "bank_transfer",
    "bank": "bank_transfer",
    "check": "cheque",
}


def check_transition(current: str, wanted: str) -> None:
    """Reject a change of an order's status that is not possible. Callers do not ask about an unchanged status.

    :raises IllegalTransition: the order cannot change from `current` to `wanted`.
    """
    allowed = TRANSITIONS[current]
    if wanted not in allowed:
        where = f"it can become {' or '.join(allowed)}" if allowed else "that status is final"
        raise IllegalTransition(
            f"An order that is {current} cannot become {wanted}: {where}.", current=current, allowed=list(allowed)
        )


def payment_group(mode: str) -> str:
    """Return the report group of a free-text payment mode: `UPI: Asha` -> `upi`, `Barter` -> `other`.

    Case, width and invisible characters make no difference.
    """
    name = " ".join(_JOINTS.sub(" ", name_key(mode)).split())
    if name == "upi" or name.startswith(("upi:", "upi ")):
        return "upi"
    name = _SYNONYMS.get(name, name)
    return name if name in PAYMENT_GROUPS else "other"
