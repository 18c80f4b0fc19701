"""The JSON Schemas of reports and the board. Tests compare the responses with them."""

from typing import Final

from schemas.fields.shapes import AMOUNT, COUNT, DAY, DAY_OR_NULL, KIND, NUMBER, TEXT, TIME, Json, array, record, ref
from schemas.reporting.board import LATEST_COUNT
from schemas.reporting.reports import RECENT_COUNT
from schemas.reporting.staff import MAX_STAFF
from schemas.sales.statuses import ALL_STATUSES, ORDER_STATUSES, PAYMENT_GROUPS

_TALLY: Final = record(count=COUNT, amount=AMOUNT)
_CONVERSIONS: Final = record(pending=COUNT, converted=COUNT)
_SUMMARY: Final[Json] = {
    "total_sales": AMOUNT,
    "total_orders": COUNT,
    "total_estimates": COUNT,
    "completed_sales": COUNT,
}
_SOLD: Final[Json] = {
    "estimates_count": COUNT,
    "estimates_total": AMOUNT,
    "orders_count": COUNT,
    "orders_total": AMOUNT,
    "total_transactions": COUNT,
    "total_revenue": AMOUNT,
    "total_sales": COUNT,
    "total_amount": AMOUNT,
}
_TAIL: Final[Json] = {
    "statistics": record(average_sale=AMOUNT, conversion_rate={"type": "number", "minimum": 0, "maximum": 1}),
    "staff_performance": {**array(ref("StaffPerformance")), "maxItems": MAX_STAFF},
    "other_staff": ref("OtherStaff"),
    "recent_items": {**array(ref("RecentItem")), "maxItems": RECENT_COUNT},
}
ESTIMATE_ITEMS: Final = array(ref("Estimate"))
ORDER_ITEMS: Final = array(ref("Order"))
_APART: Final[Json] = {
    "payment_breakdown": record(**dict.fromkeys(PAYMENT_GROUPS, _TALLY)),
    "cancelled": _TALLY,
    "refunded": _TALLY,
    "total_sold": {**AMOUNT, "description": "What these orders were sold for, paid or not."},
    "items": ORDER_ITEMS,
}
_DAYS: Final[Json] = {
    "summary": record(
        total_transactions=COUNT, total_revenue=AMOUNT, estimates_count=COUNT, orders_count=COUNT, **_SUMMARY
    ),
    "estimates": record(count=COUNT, total_amount=AMOUNT, conversion_breakdown=_CONVERSIONS, items=ESTIMATE_ITEMS),
    "orders": record(count=COUNT, total_amount=AMOUNT, **_APART),
    **_TAIL,
}
_BY_DAY: Final[Json] = {
    "type": "object",
    "propertyNames": DAY,
    "additionalProperties": record(count=COUNT, total=AMOUNT),
    "minProperties": 28,
    "maxProperties": 31,
}
_OF_A_STORE: Final[Json] = {
    "orders_count": COUNT,
    "total_revenue": {**AMOUNT, "description": "What was paid, of what the store keeps, as in every report."},
    "total_sold": {**AMOUNT, "description": "What these orders were sold for, paid or not."},
    "estimates_count": COUNT,
    "estimates_total": AMOUNT,
}

REPORT_RESPONSES: Final[dict[str, Json]] = {
    "StaffPerformance": record(staff_name={"type": "string", "minLength": 1}, **_SOLD),
    "OtherStaff": {
        **record(count={**COUNT, "description": "How many members of staff these are."}, **_SOLD),
        "description": "All members of staff that are not shown, as one sum.",
    },
    "RecentItem": record(
        type=KIND, customer_name=TEXT, total=AMOUNT, status={"enum": list(ALL_STATUSES)}, created_at=TIME
    ),
    "TodayReport": record(date=DAY, **_DAYS),
    "RangeReport": record(date_range=record(start=DAY, end=DAY), **_DAYS),
    "MonthReport": record(
        period={"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"},
        summary=record(total_estimates_amount=AMOUNT, total_orders_amount=AMOUNT, total_revenue=AMOUNT, **_SUMMARY),
        daily_breakdown=record(estimates=_BY_DAY, orders=_BY_DAY),
        **_TAIL,
    ),
    "StaffReport": record(
        summary=record(total_staff=COUNT, total_transactions=COUNT, total_revenue=AMOUNT, **_SUMMARY), **_TAIL
    ),
    "EstimatesReport": record(
        estimates=record(
            total_count=COUNT, total_amount=AMOUNT, conversion_breakdown=_CONVERSIONS, items=ESTIMATE_ITEMS
        ),
        summary=record(**_SUMMARY),
        **_TAIL,
    ),
    "OrdersReport": record(
        orders=record(total_count=COUNT, total_amount=AMOUNT, **_APART), summary=record(**_SUMMARY), **_TAIL
    ),
    "StoresReport": record(
        start_date=DAY_OR_NULL,
        end_date=DAY_OR_NULL,
        stores=array(record(store=TEXT, **_OF_A_STORE)),
        total=record(**_OF_A_STORE),
    ),
    "Board": record(
        version=TEXT,
        currency=TEXT,
        timezone=TEXT,
        position=TEXT,
        date=DAY,
        **_DAYS,
        by_hour=array(record(hour={"type": "integer", "minimum": 0, "maximum": 23}, orders=_TALLY, estimates=_TALLY)),
        latest={**array(ref("LatestSale")), "maxItems": LATEST_COUNT},
    ),
    "LatestSale": record(
        order_id=TEXT,
        sale_number=NUMBER,
        created_at=TIME,
        sale_by=TEXT,
        payment_mode=TEXT,
        amount_paid=AMOUNT,
        total=AMOUNT,
        status={"enum": list(ORDER_STATUSES)},
    ),
}
