"""The request bodies of a shop's settings."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Final

from marshmallow import ValidationError

from schemas.fields.body import Body
from schemas.fields.inputs import InputField, OneOf, QueryBoolean, StrictBoolean, Text
from schemas.printing.letterhead import PAPERS
from schemas.shop.gst import GSTIN, STATES, is_gstin, state_code
from schemas.shop.images import identify_image

MAX_LOGO: Final = 100 * 1024
MAX_LOGO_SIDE: Final = 2_000
#: Characters of the prefix of document numbers on PDFs.
MAX_PREFIX: Final = 20
#: A virtual payment address: a name and the handle of a payment provider.
UPI_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,255}@[A-Za-z][A-Za-z0-9]{1,63}", re.ASCII)

_DATA_URL: Final = re.compile(r"data:image/(?:png|jpeg);base64,", re.ASCII)


class Gstin(Text):
    """A GSTIN, loaded in capitals, or an empty text."""

    json_schema: Mapping[str, Any] = {
        "type": "string",
        "pattern": f"^({GSTIN.pattern})?$",
        "examples": ["27AAPFU0939F1ZV"],
    }

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        number = super()._deserialize(value, attr, data, **kwargs).upper()
        if number and not is_gstin(number):
            raise ValidationError("must be a valid GST number")
        return number


class State(Text):
    """A state of India by its GST code or its name, loaded as the code, or an empty text."""

    json_schema: Mapping[str, Any] = {"type": "string", "enum": ["", *STATES, *STATES.values()]}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        code = state_code(text) if text else ""
        if code is None:
            raise ValidationError("must be a state of India, by its GST code or its name")
        return code


class UpiId(Text):
    """A UPI address, `name@bank`, or an empty text."""

    json_schema: Mapping[str, Any] = {"type": "string", "pattern": f"^({UPI_ID.pattern})?$"}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if text and not UPI_ID.fullmatch(text):
            raise ValidationError("must be a UPI address, as shop@bank")
        return text


class Logo(InputField[str]):
    """A small PNG or JPEG in base64, plain or as a data URL, or an empty text."""

    json_schema: Mapping[str, Any] = {"type": "string", "contentEncoding": "base64"}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("must be text")
        text = _DATA_URL.sub("", value.strip(), count=1)
        try:
            content = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise ValidationError("must be in base64") from None
        if not content:
            return ""
        if len(content) > MAX_LOGO:
            raise ValidationError(f"must have at most {MAX_LOGO // 1024} KB")
        picture = identify_image(content)
        if picture is None:
            raise ValidationError("must be a PNG or a JPEG")
        if not (1 <= picture.width <= MAX_LOGO_SIDE and 1 <= picture.height <= MAX_LOGO_SIDE):
            raise ValidationError(f"must have 1 to {MAX_LOGO_SIDE:,} pixels a side")
        return base64.b64encode(content).decode()


class ShopSettingsBody(Body):
    """A change of any settings; a setting that is left out stays as it is."""

    business_name = Text(blank=True)
    business_address = Text(blank=True, lines=True)
    business_phone = Text(blank=True)
    business_email = Text(blank=True)
    gst_number = Gstin(blank=True)
    api_url = Text(blank=True)
    enable_notifications = StrictBoolean()
    enable_auto_backup = StrictBoolean()
    enable_dark_mode = StrictBoolean()
    enable_sound_effects = StrictBoolean()
    enable_whatsapp_integration = StrictBoolean()
    enable_sms_integration = StrictBoolean()
    address_line1 = Text(blank=True)
    address_line2 = Text(blank=True)
    address_line3 = Text(blank=True)
    state = State(blank=True)
    logo = Logo()
    footer = Text(blank=True, lines=True)
    upi_id = UpiId(blank=True)
    paper = OneOf(PAPERS)
    number_prefix = Text(blank=True, longest=MAX_PREFIX)


class ShopSettingsQuery(Body):
    """The query of the settings: whether to answer the logo as well."""

    logo = QueryBoolean(load_default=False)
