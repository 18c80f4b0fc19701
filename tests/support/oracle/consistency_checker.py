"""Compares the raw collections with the journals of the tills.

    python -m tests.support.oracle.consistency_checker URL DATABASE STORE [FOLDER]

It shares no code with the service, so that errors of the service do not hide in it. It reads after all writes are done,
and prints its verdict as JSON. Without a folder of journals it checks the books alone.
"""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

from pymongo import MongoClient

Json = dict[str, Any]

INDIA = timezone(timedelta(hours=5, minutes=30))
_MOST_SHOWN = 10


@dataclass
class Verdict:
    """The differences found, as sentences.

    :ivar operations: the number attempted.
    :ivar acknowledged: the number answered with a success.
    """

    operations: int = 0
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.wrong)


def judge(url: str, database: str, store: str, journals: Iterable[Path] | None) -> Verdict:
    """Return the verdict on one store.

    :param journals: None to check the books alone.
    """
    with MongoClient[Json](url, tz_aware=True, readConcernLevel="majority") as client:
        raw = client[database]
        estimates = list(raw["estimates"].find({"store": store}))
        orders = list(raw["orders"].find({"store": store}))
        counters = raw["counters"].find_one({"_id": store}) or {}
        totals = list(raw["totals"].find({"_id.store": store}))
        groups = raw["log"].find({"_id.store": store}).sort("_id", 1)
        events = [event for group in groups for event in group["events"]]
    verdict = Verdict()
    if journals is not None:
        attempts, answers = _read(journals)
        verdict = Verdict(len(attempts), len(answers))
        _judge_operations(verdict, attempts, answers, estimates, orders)
    for kind, documents in (("estimates", estimates), ("orders", orders)):
        numbers = sorted(document["number"] for document in documents)
        if numbers != list(range(1, counters.get(kind, 0) + 1)):
            verdict.wrong.append(f"I2 {kind}: the numbers are not 1 to {counters.get(kind)}: {_odd(numbers)}")
    _judge_links(verdict, estimates, orders)
    _judge_totals(verdict, estimates, orders, totals)
    _judge_events(verdict, estimates, orders, events, counters.get("head", 0))
    return verdict


def _read(journals: Iterable[Path]) -> tuple[dict[str, Json], dict[str, Json]]:
    attempts, answers = {}, {}
    for path in journals:
        for line in path.read_text().splitlines():
            record = json.loads(line)
            if "attempt" in record:
                attempts[record["attempt"]["name"]] = record["attempt"]
            else:
                answers[record["answer"]["name"]] = record["answer"]["data"]
    return attempts, answers


def _judge_operations(
    verdict: Verdict, attempts: Json, answers: dict[str, Json], estimates: list[Json], orders: list[Json]
) -> None:
    """Check I1 and I7: each acknowledged document exists once, as answered; all others were attempted."""
    made = defaultdict(list)
    for document in estimates:
        made["estimate", document["customer_name"]].append(document)
    for document in orders:
        # An order of an estimate has the estimate's name: its own operation is the conversion.
        kind = "sale" if document["estimate_id"] is None else "converted"
        made[kind, document["customer_name"]].append(document)
    for (kind, name), documents in made.items():
        if len(documents) > 1:
            verdict.doubled.append(f"I1 {kind} {name}: there {len(documents)} times")
        if name not in attempts:
            verdict.wrong.append(f"I1 {kind} {name}: no till requested it")
    by_id = {document["_id"]: document for document in (*estimates, *orders)}
    for name, data in answers.items():
        attempt = attempts[name]
        if attempt["kind"] in ("estimate", "sale"):
            _judge_creation(verdict, attempt, data, made[attempt["kind"], name])
        else:
            _judge_change(verdict, attempt, by_id.get(data.get("order_id", attempt["path"].split("/")[3])))


def _judge_creation(verdict: Verdict, attempt: Json, data: Json, found: list[Json]) -> None:
    prefix = "estimate" if attempt["kind"] == "estimate" else "order"
    answer = (data[f"{prefix}_id"], data["estimate_number" if prefix == "estimate" else "sale_number"], data["total"])
    what = f"I1 {attempt['kind']} {attempt['name']}: was acknowledged as {answer}"
    if not found:
        verdict.lost.append(f"{what}, and is not there")
    elif answer != (found[0]["_id"], f"#{found[0]['number']:03d}", found[0]["total"] / 100):
        verdict.wrong.append(f"{what}, and is {found[0]}")
    elif round(attempt["body"]["total"] * 100) != found[0]["total"]:
        verdict.wrong.append(f"{what}, and {attempt['body']['total']} was sent")


def _judge_change(verdict: Verdict, attempt: Json, order: Json | None) -> None:
    subject = attempt["path"].split("/")[3]
    is_done = (
        order is not None
        and {
            "convert": order["estimate_id"] == subject,
            "void": order["voided_at"] is not None,
            "cancel": order["status"] == "Cancelled",
        }[attempt["kind"]]
    )
    if not is_done:
        verdict.lost.append(f"I1 {attempt['kind']} {attempt['name']}: was acknowledged, and did not happen")


def _judge_links(verdict: Verdict, estimates: list[Json], orders: list[Json]) -> None:
    """Check I3, in both directions."""
    live = Counter(order["estimate_id"] for order in orders if order["estimate_id"] and order["voided_at"] is None)
    by_id = {order["_id"]: order for order in orders}
    for estimate in estimates:
        if live[estimate["_id"]] > 1:
            verdict.doubled.append(f"I3 estimate {estimate['_id']} became {live[estimate['_id']]} orders")
        order = by_id.get(estimate["order_id"])
        if estimate["converted"] != (order is not None) or (order and order["estimate_id"] != estimate["_id"]):
            verdict.wrong.append(f"I3 estimate {estimate['_id']} and order {estimate['order_id']} do not agree")
    known = {estimate["_id"] for estimate in estimates}
    verdict.wrong += [
        f"I3 order {order['_id']} names no estimate" for order in orders if order["estimate_id"] not in {None, *known}
    ]


def _judge_totals(verdict: Verdict, estimates: list[Json], orders: list[Json], totals: list[Json]) -> None:
    """Check I4 exactly: for each day, month and year, staff and payment mode."""
    expected: Counter[tuple[str, ...]] = Counter()
    for document in (*estimates, *orders):
        if document["voided_at"] is None:
            expected.update(_contributions(document))
    stored: Counter[tuple[str, ...]] = Counter()
    for row in totals:
        place = (row["_id"]["period"], row["_id"]["staff"], row["_id"]["mode"])
        for kind in ("estimates", "orders"):
            for status, sums in row.get(kind, {}).items():
                stored.update({(*place, kind, status, name): amount for name, amount in sums.items()})
    for key in [key for key in expected.keys() | stored.keys() if expected[key] != stored[key]][:_MOST_SHOWN]:
        verdict.wrong.append(f"I4 {key}: stored {stored[key]}, the documents make {expected[key]}")


def _contributions(document: Json) -> dict[tuple[str, ...], int]:
    day = document["created_at"].astimezone(INDIA).strftime("%Y-%m-%d")
    if "converted" in document:
        kind, mode, status = "estimates", "", "Converted" if document["converted"] else "Pending"
        sums = {"count": 1, "total": document["total"]}
    else:
        kind, mode, status = "orders", document["payment_mode"].lower(), document["status"]
        sums = {"count": 1, "paid": document["amount_paid"], "sold": document["total"]}
    return {
        (period, document["sale_by"], mode, kind, status, name): amount
        for period in (day, day[:7], day[:4])
        for name, amount in sums.items()
    }


def _judge_events(verdict: Verdict, estimates: list[Json], orders: list[Json], events: list[Json], head: int) -> None:
    """Check I5: no gap in the event log, and one event for each version of each document."""
    if [event["seq"] for event in events] != list(range(1, head + 1)):
        verdict.wrong.append(f"I5 the log has holes: {_odd([event['seq'] for event in events])}, head {head}")
    changes: Counter[str] = Counter()
    for event in events:
        changes[event["id"]] += 1
        if event["action"] == "convert_to_order":
            changes[event["order_id"]] += 1
    for document in (*estimates, *orders):
        if changes[document["_id"]] != document["version"]:
            verdict.wrong.append(
                f"I5 {document['_id']} has version {document['version']} and {changes[document['_id']]} events"
            )


def _odd(numbers: list[int]) -> str:
    """Return what is missing, and what is duplicated."""
    times = Counter(numbers)
    missing = [number for number in range(1, max(numbers, default=0) + 1) if number not in times][:_MOST_SHOWN]
    return f"missing {missing}, repeated {[number for number, count in times.items() if count > 1][:_MOST_SHOWN]}"


if __name__ == "__main__":
    url, database, store, *folders = sys.argv[1:]
    journals = sorted(Path(folders[0]).glob("*.ndjson")) if folders else None
    print(json.dumps(asdict(judge(url, database, store, journals)), indent=1))  # noqa: T201
