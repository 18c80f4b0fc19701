"""Order statuses, estimate statuses and payment modes: which there are, and which change into which."""

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

#: The statuses whose money the shop keeps; a cancelled or refunded order is counted apart.
REVENUE_STATUSES: Final = (PENDING, PROCESSING, COMPLETED)

CASH: Final = "Cash"
PAYMENT_GROUPS: Final = ("cash", "card", "online", "upi", "bank_transfer", "cheque", "other")
#: What stands between words: an underscore, and hyphens and dashes of every kind.
_JOINTS: Final = re.compile(r"[_\-\u2010-\u2015\u2212]")
_SYNONYMS: Final = {
    "credit card": "card",
    "debit card": "card",
    "bank transfer": "bank_transfer",
    "bank": "bank_transfer",
    "check": "cheque",
}


def check_transition(current: str, wanted: str) -> None:
    """Whether an order may go from one status to another (staying where it is needs no leave).

    :raises IllegalTransition: it may not.
    """
    allowed = TRANSITIONS[current]
    if wanted not in allowed:
        where = f"it can become {' or '.join(allowed)}" if allowed else "that status is final"
        raise IllegalTransition(
            f"An order that is {current} cannot become {wanted}: {where}.", current=current, allowed=list(allowed)
        )


def payment_group(mode: str) -> str:
    """Return the group that reports count a free-text payment mode under: `UPI: Asha` -> `upi`, `Barter` -> `other`;
    case, width and what is invisible make no difference."""
    name = " ".join(_JOINTS.sub(" ", name_key(mode)).split())
    if name == "upi" or name.startswith(("upi:", "upi ")):
        return "upi"
    name = _SYNONYMS.get(name, name)
    return name if name in PAYMENT_GROUPS else "other"
