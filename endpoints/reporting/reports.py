"""`/api/reports`: reports, read from the rollups."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any, Final

from marshmallow import EXCLUDE, Schema, fields, post_load, validates_schema
from starlette.endpoints import HTTPEndpoint
from starlette.responses import Response

from endpoints.http.errors import Forbidden
from endpoints.http.operations import Operation, ResponseSpec, operation, report_op
from endpoints.http.requests import read_query
from endpoints.http.responses import answer, page_headers
from endpoints.http.state import documents_of
from endpoints.sales.state import SalesRequest
from endpoints.transfer.cached_responses import cached_response
from endpoints.transfer.response_cache import CacheVersion
from repositories.concurrency.threads import offload
from repositories.database.errors import Unavailable
from schemas.core.calendar import business_date, month_days
from schemas.core.collections import ESTIMATES, ORDERS
from schemas.core.errors import InvalidQuery
from schemas.core.limits import YEARS
from schemas.core.pagination import check_date_order
from schemas.fields.inputs import Day, WholeNumber
from schemas.fields.shapes import ref
from schemas.fields.validation import load_query
from schemas.reporting import reports
from schemas.reporting.reports import Items
from schemas.reporting.staff import MAX_STAFF, StaffCursor
from schemas.sales.listing import Listing

Json = dict[str, Any]

DEFAULT_ITEMS: Final = 100
MAX_ITEMS: Final = 1_000


class _Query(Schema):
    class Meta:
        unknown = EXCLUDE


class ItemsQuery(_Query):
    """The number of documents in a report."""

    items = WholeNumber(0, MAX_ITEMS, load_default=DEFAULT_ITEMS)


class DaysQuery(_Query):
    """The days of a report; all by default."""

    start = Day(data_key="start_date", load_default=None)
    end = Day(data_key="end_date", load_default=None)

    @validates_schema(skip_on_field_errors=True)
    def check(self, data: dict[str, Any], **kwargs: Any) -> None:
        check_date_order(data, "end_date")


class StaffQuery(DaysQuery):
    """The days, and the page of the staff list."""

    limit = WholeNumber(1, MAX_STAFF, load_default=MAX_STAFF)
    cursor = fields.String()

    @post_load
    def place(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Decode the cursor.

        :raises InvalidCursor: the cursor is invalid.
        """
        cursor = data.pop("cursor", None)
        return {**data, "after": None if cursor is None else StaffCursor.decode(cursor)}


class ReportQuery(ItemsQuery, DaysQuery):
    """The days, and the number of documents."""


class RangeQuery(ReportQuery):
    """The same, with required days."""

    start = Day(data_key="start_date", required=True, metadata={"examples": ["2026-01-01"]})
    end = Day(data_key="end_date", required=True, metadata={"examples": ["2026-12-31"]})


class MonthPath(Schema):
    """The month in a path."""

    year = WholeNumber(YEARS[0], YEARS[-1], required=True, metadata={"examples": [2026]})
    month = WholeNumber(1, 12, required=True, metadata={"examples": [1]})


MONTH: Final = MonthPath()
ITEMS: Final = ItemsQuery()
DAYS: Final = DaysQuery()
STAFF: Final = StaffQuery()
QUERY: Final = ReportQuery()
RANGE: Final = RangeQuery()


class Today(HTTPEndpoint):
    @operation(report_op("Today in the shop", "TodayReport", query=ITEMS))
    async def get(self, request: SalesRequest) -> Response:
        day = business_date(request.state.clock(), request.state.zone)
        today = date.fromisoformat(day)

        def parse() -> Json:
            return {"start": today, "end": today, "items": read_query(request, ITEMS)["items"]}

        return await _days(request, parse, lambda _: {"date": day}, extra=day)


class DateRange(HTTPEndpoint):
    @operation(report_op("A range of days, both included", "RangeReport", query=RANGE))
    async def get(self, request: SalesRequest) -> Response:
        def heading(query: Json) -> Json:
            return {"date_range": {"start": query["start"].isoformat(), "end": query["end"].isoformat()}}

        return await _days(request, lambda: read_query(request, RANGE), heading)


class Monthly(HTTPEndpoint):
    @operation(report_op("A month, day by day", "MonthReport", path=MONTH))
    async def get(self, request: SalesRequest) -> Response:
        async def make(month: tuple[date, date], cache_version: CacheVersion) -> Response:
            (of_month, of_days), estimates, orders = await asyncio.gather(
                request.state.reports.month(*month),
                *_newest(request, Listing(start=month[0], end=month[1]), reports.RECENT_COUNT),
            )
            many = len(of_month) + len(of_days)
            report = await offload(many, reports.monthly_report, of_month, of_days, *month, estimates, orders)
            return answer(report, headers=cache_version.headers)

        return await cached_response(request, lambda: month_days(**load_query(MONTH, request.path_params)), make)


class StaffPerformance(HTTPEndpoint):
    @operation(
        report_op(
            "Who sold how much",
            "StaffReport",
            query=STAFF,
            description="The highest revenue first; `other_staff` is the sum of all that are not on the page.",
            is_paged=True,
        )
    )
    async def get(self, request: SalesRequest) -> Response:
        async def make(query: Json, cache_version: CacheVersion) -> Response:
            start, end = query["start"], query["end"]
            rows, estimates, orders = await asyncio.gather(
                request.state.reports.between(start, end),
                *_newest(request, Listing(start=start, end=end), reports.RECENT_COUNT),
            )
            report, following = await offload(
                len(rows), reports.staff_report, rows, estimates, orders, query["limit"], query["after"]
            )
            return answer(report, headers={**cache_version.headers, **page_headers(request, STAFF, following)})

        return await cached_response(request, lambda: read_query(request, STAFF), make)


class EstimatesOnly(HTTPEndpoint):
    @operation(report_op("Estimates alone", "EstimatesReport", query=QUERY))
    async def get(self, request: SalesRequest) -> Response:
        return await _one_kind(request, ESTIMATES, reports.estimates_report)


class OrdersOnly(HTTPEndpoint):
    @operation(report_op("Orders alone", "OrdersReport", query=QUERY))
    async def get(self, request: SalesRequest) -> Response:
        return await _one_kind(request, ORDERS, reports.orders_report)


class StoreComparison(HTTPEndpoint):
    """The totals of each store, for owners of all stores."""

    @operation(
        Operation(
            summary="The stores side by side",
            description="For an owner of all stores. The days are those of each store.",
            query=DAYS,
            answers={200: ResponseSpec(content=ref("StoresReport"), description="The report.")},
            refuses=(InvalidQuery, Forbidden, Unavailable),
        )
    )
    async def get(self, request: SalesRequest) -> Response:
        if request.state.principal.store is not None:
            raise Forbidden("Your sign-in belongs to one store. Please ask an owner of all stores.")
        days: Json = read_query(request, DAYS)
        rows = await request.state.all_stores.between(days["start"], days["end"])
        shown = {
            name: day and day.isoformat() for name, day in (("start_date", days["start"]), ("end_date", days["end"]))
        }
        sums = await offload(sum(map(len, rows.values())), reports.stores_report, rows)
        return answer({**shown, **sums})


async def _days(
    request: SalesRequest, parse: Callable[[], Json], heading: Callable[[Json], Json], extra: str = ""
) -> Response:
    async def make(query: Json, cache_version: CacheVersion) -> Response:
        start, end, items = query["start"], query["end"], query["items"]
        rows, estimates, orders = await asyncio.gather(
            request.state.reports.between(start, end),
            *_newest(request, Listing(start=start, end=end), reports.documents_to_read(items)),
        )
        report = await offload(len(rows), reports.day_report, rows, estimates, orders, items)
        return answer({**heading(query), **report}, headers=cache_version.headers)

    return await cached_response(request, parse, make, extra)


async def _one_kind(request: SalesRequest, kind: str, shape: Any) -> Response:
    async def make(query: Json, cache_version: CacheVersion) -> Response:
        start, end, items = query["start"], query["end"], query["items"]
        rows, shown = await asyncio.gather(
            request.state.reports.between(start, end),
            _shown(request, kind, Listing(start=start, end=end), reports.documents_to_read(items)),
        )
        return answer(await offload(len(rows), shape, rows, shown, items), headers=cache_version.headers)

    return await cached_response(request, lambda: read_query(request, QUERY), make)


def _newest(request: SalesRequest, listing: Listing, limit: int) -> tuple[Awaitable[Items], Awaitable[Items]]:
    return _shown(request, ESTIMATES, listing, limit), _shown(request, ORDERS, listing, limit)


async def _shown(request: SalesRequest, kind: str, listing: Listing, limit: int) -> Items:
    render_cache = request.state.render_caches.of_kind[kind]
    page = await documents_of(request.state, kind).page(listing, limit)
    documents = [render_cache(each) for each in page.items]
    return Items([each.json for each in documents], [each.parsed() for each in documents[: reports.RECENT_COUNT]])
