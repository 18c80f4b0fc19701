"""How accounts are shown."""

from functools import cache
from zoneinfo import ZoneInfo

from schemas.accounts.accounts import DeviceSchema, UserSchema


class AccountSerializers:
    """Serialize users and devices."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.user = UserSchema(zone).dump
        self.device = DeviceSchema(zone).dump


@cache
def account_serializers_for(zone: ZoneInfo) -> AccountSerializers:
    """Return those of accounts, likewise."""
    return AccountSerializers(zone)
