"""The settings of a shop: name, address, tax number, the look of its PDFs, and switches of the app."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from schemas.core.errors import InvalidBody
from schemas.printing.letterhead import A4, Letterhead
from schemas.shop.gst import STATES

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ShopSettings:
    """The settings of a store.

    A switch that stored settings lack is off, as it was before switches had other defaults.

    :ivar state: the GST code of the state.
    :ivar logo: a PNG or JPEG in base64.
    :ivar version: 0 where nothing is stored.
    """

    business_name: str = ""
    business_address: str = ""
    business_phone: str = ""
    business_email: str = ""
    gst_number: str = ""
    api_url: str = ""
    enable_notifications: bool = False
    enable_auto_backup: bool = False
    enable_dark_mode: bool = False
    enable_sound_effects: bool = False
    enable_whatsapp_integration: bool = False
    enable_sms_integration: bool = False
    address_line1: str = ""
    address_line2: str = ""
    address_line3: str = ""
    state: str = ""
    logo: str = ""
    footer: str = ""
    upi_id: str = ""
    paper: str = A4
    number_prefix: str = ""
    version: int = 0

    @classmethod
    def fresh(cls, business_name: str, api_url: str) -> "ShopSettings":
        """Return the settings of a shop that has stored none: the existing app's defaults."""
        known: Document = {"business_name": business_name, "api_url": api_url, **dict.fromkeys(_SWITCHED_ON, True)}
        return cls(**known)

    @classmethod
    def of(cls, document: Mapping[str, Any] | None, fresh: "ShopSettings") -> "ShopSettings":
        """Return stored settings; `fresh` stands in for missing ones, and for all if the document is None."""
        if document is None:
            return fresh
        stored = {name: document[name] for name in _NAMES if name in document}
        known = cls(**{"business_name": fresh.business_name, **stored})
        return known if known.api_url else replace(known, api_url=fresh.api_url)

    @property
    def state_name(self) -> str:
        return STATES.get(self.state, "")

    @property
    def head(self) -> Letterhead:
        """Return the letterhead. Its address is the three lines, or else the app's single field."""
        lines = (self.address_line1, self.address_line2, self.address_line3)
        return Letterhead(
            business_name=self.business_name,
            address=tuple(line for line in lines if line) or tuple(self.business_address.splitlines()),
            phone=self.business_phone,
            email=self.business_email,
            gst_number=self.gst_number,
            state=self.state_name,
            logo=base64.b64decode(self.logo) if self.logo else None,
            footer=self.footer,
            upi_id=self.upi_id,
            paper=self.paper,
            number_prefix=self.number_prefix,
        )

    def shown(self, *, with_logo: bool = False) -> Document:
        """Return the settings as the API shows them: flat, with all members.

        :param with_logo: include the logo; the app reads the settings on each of its screens, without it.
        """
        flat = {name: getattr(self, name) for name in _NAMES if with_logo or name != "logo"}
        return {**flat, "state_name": self.state_name, "has_logo": bool(self.logo)}


_NAMES: Final = tuple(field.name for field in fields(ShopSettings))
#: The switches that are on by default in the existing app.
_SWITCHED_ON: Final = ("enable_notifications", "enable_auto_backup", "enable_dark_mode", "enable_sound_effects")


def initial_switches(fresh: ShopSettings) -> Document:
    """Return the switches with their defaults, for the first settings that a shop stores."""
    return {name: getattr(fresh, name) for name in _SWITCHED_ON}


def checked_changes(settings: ShopSettings, changes: Document) -> Document:
    """Return what differs. A GSTIN begins with a state's code, used if no state is given.

    :raises InvalidBody: the GSTIN is of another state.
    """
    if "state" not in changes and changes.get("gst_number"):
        changes = {**changes, "state": changes["gst_number"][:2]}
    after = replace(settings, **changes)
    if after.gst_number and after.state and not after.gst_number.startswith(after.state):
        name = STATES[after.gst_number[:2]]
        detail = f"must be {name}, as the GST number says"
        raise InvalidBody(f"state: {detail}.", [{"pointer": "/state", "detail": detail}])
    return {name: value for name, value in changes.items() if value != getattr(settings, name)}
