"""GST in India: state codes, and the number of a registered business (GSTIN)."""

import re
from typing import Final

#: Code -> name, as on invoices.
STATES: Final = {
    "01": "Jammu and Kashmir",
    "02": "Himachal Pradesh",
    "03": "Punjab",
    "04": "Chandigarh",
    "05": "Uttarakhand",
    "06": "Haryana",
    "07": "Delhi",
    "08": "Rajasthan",
    "09": "Uttar Pradesh",
    "10": "Bihar",
    "11": "Sikkim",
    "12": "Arunachal Pradesh",
    "13": "Nagaland",
    "14": "Manipur",
    "15": "Mizoram",
    "16": "Tripura",
    "17": "Meghalaya",
    "18": "Assam",
    "19": "West Bengal",
    "20": "Jharkhand",
    "21": "Odisha",
    "22": "Chhattisgarh",
    "23": "Madhya Pradesh",
    "24": "Gujarat",
    "26": "Dadra and Nagar Haveli and Daman and Diu",
    "27": "Maharashtra",
    "29": "Karnataka",
    "30": "Goa",
    "31": "Lakshadweep",
    "32": "Kerala",
    "33": "Tamil Nadu",
    "34": "Puducherry",
    "35": "Andaman and Nicobar Islands",
    "36": "Telangana",
    "37": "Andhra Pradesh",
    "38": "Ladakh",
    "97": "Other Territory",
}

_CODES: Final = {name.casefold(): code for code, name in STATES.items()}
#: State, PAN (its fourth letter is the kind of taxpayer), number of the registration, Z, check character.
GSTIN: Final = re.compile(r"[0-9]{2}[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z][1-9A-Z]Z[0-9A-Z]", re.ASCII)
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_BASE: Final = len(_DIGITS)


def check_character(number: str) -> str:
    """Return the last character of a GSTIN for the fourteen before it: Luhn's sum in base 36."""
    total = 0
    for place, character in enumerate(number):
        product = _DIGITS.index(character) * (1 + place % 2)
        total += product // _BASE + product % _BASE
    return _DIGITS[-total % _BASE]


def is_gstin(text: str) -> bool:
    """Return whether a text is a GSTIN, with an existing state and the right check character."""
    return bool(GSTIN.fullmatch(text)) and text[:2] in STATES and check_character(text[:-1]) == text[-1]


def state_code(text: str) -> str | None:
    """Return the code of a state by its code or name (`27`, `Maharashtra`, `27-Maharashtra`), or None."""
    code = text[:2]
    if code in STATES and text[2:].strip(" -").casefold() in ("", STATES[code].casefold()):
        return code
    return _CODES.get(text.casefold())
