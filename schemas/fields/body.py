"""The base of every request body."""

from marshmallow import EXCLUDE

from schemas.fields.fast_schema import FastSchema


class Body(FastSchema):
    """A JSON body or a query, without its unknown members."""

    class Meta:
        unknown = EXCLUDE
