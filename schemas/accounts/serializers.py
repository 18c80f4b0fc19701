"""The serializers of accounts, created once for each time zone."""

from functools import cache
from zoneinfo import ZoneInfo

from schemas.accounts.accounts import DeviceSchema, UserSchema


class AccountSerializers:
    """The functions that serialize users and devices."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.user = UserSchema(zone).dump
        self.device = DeviceSchema(zone).dump


@cache
def account_serializers_for(zone: ZoneInfo) -> AccountSerializers:
    return AccountSerializers(zone)
