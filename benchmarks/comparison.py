"""Compare this version with an earlier one, in turn: `python -m benchmarks.comparison [--quick] REVISION`.

Measures sales a second, and the bytes of data and of indexes that a sale takes. The earlier version runs with the
packages of this one.
"""

import argparse
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from benchmarks.load import Request, Run, load
from benchmarks.measures import Results, Row, median, typical
from benchmarks.page import write_page
from benchmarks.payloads import CREATE_SALE, SALES
from benchmarks.servers import HERE, PORT, database_name, mongod, serving

SECTION = "Compared with an earlier version"
CONNECTIONS = (1, 64, 256)
_SALES = Request.post([CREATE_SALE], SALES)

Bytes = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparison", description=__doc__)
    parser.add_argument("revision", help="the earlier version, as git names it")
    parser.add_argument("--quick", action="store_true", help="a short run whose results are not stored")
    options = parser.parse_args()
    results = Results()
    rounds, seconds, sales = (1, 1.0, 2_000) if options.quick else (5, 5.0, 100_000)
    with checkout(options.revision) as earlier:
        _compare_rates(results, earlier, rounds, seconds)
        _compare_bytes(results, earlier, sales)
    if not options.quick:
        results.save()
        write_page()
    results.print()


@contextmanager
def checkout(revision: str) -> Iterator[Path]:
    """Yield a folder with the files of a revision."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(("git", "worktree", "add", "--quiet", "--detach", folder, revision), cwd=HERE, check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(("git", "worktree", "remove", "--force", folder), cwd=HERE, check=True)


def _compare_rates(results: Results, earlier: Path, rounds: int, seconds: float) -> None:
    runs: dict[Path, list[dict[int, Run]]] = {HERE: [], earlier: []}
    for number in range(rounds):
        for tree in (HERE, earlier) if number % 2 else (earlier, HERE):
            with mongod() as url, serving("asgi:app", url, database_name(), tree=tree):
                load(PORT, _SALES, connections=64, seconds=seconds / 2)
                runs[tree].append(
                    {count: load(PORT, _SALES, connections=count, seconds=seconds) for count in CONNECTIONS}
                )
    for count in CONNECTIONS:
        ours, theirs = typical(*([each[count].rate for each in runs[tree]] for tree in (HERE, earlier)))
        target = None if count == 1 else ">= 1.5"
        results.add(SECTION, Row(f"create-sale, {count} connections", ours, "/s", "earlier", theirs, target))
    alone, before = (median([each[1].p50 for each in runs[tree]]) for tree in (HERE, earlier))
    results.add(SECTION, Row("create-sale, one connection, p50", alone, "ms", "earlier", before))


def _compare_bytes(results: Results, earlier: Path, sales: int) -> None:
    ours, theirs = (_bytes_of_a_sale(tree, sales) for tree in (HERE, earlier))
    for name in ours:
        target = "<= 0.7" if name == "data and indexes" else None
        what = f"{name}, at {sales:,} sales"
        results.add(SECTION, Row(what, ours[name], "bytes a sale", "earlier", theirs[name], target))


def _bytes_of_a_sale(tree: Path, sales: int) -> Bytes:
    name = database_name()
    with mongod() as url:
        client: MongoClient[Any] = MongoClient(url)
        with serving("asgi:app", url, name, tree=tree):
            while client[name].orders.estimated_document_count() < sales:
                load(PORT, _SALES, connections=64, seconds=1)
        client.admin.command("fsync")
        stats, count = client[name].command("dbStats"), client[name].orders.estimated_document_count()
        client.close()
    data, indexes, stored = (stats[field] / count for field in ("dataSize", "indexSize", "storageSize"))
    return {"data": data, "indexes": indexes, "data and indexes": data + indexes, "data on disk": stored}


if __name__ == "__main__":
    main()
