"""Run all benchmarks, or some sections: `python -m benchmarks [--quick] [SECTION …]`.

Each figure is compared with a yardstick of the same run. `results.json` keeps the results, from which
`docs/performance.md` and its plots are made.
"""

import argparse
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack, nullcontext

from benchmarks import hub, other_work, pdfs, reading, selling, stores, workers
from benchmarks.measures import Results, console
from benchmarks.page import write_page
from benchmarks.peers import comparison
from benchmarks.servers import mongod

#: Seconds of a load in a quick run.
QUICK_SECONDS = 0.3

Measure = Callable[..., None]

SECTIONS: dict[str, Measure] = {
    "selling": lambda url, results, quick: selling.measure(
        url,
        results,
        connections=(64,) if quick else (64, 256),
        rounds=1 if quick else 3,
        seconds=QUICK_SECONDS if quick else 5,
    ),
    "reading": lambda url, results, quick: reading.measure(
        url,
        results,
        orders=10_000 if quick else 1_000_000,
        rounds=1 if quick else 3,
        seconds=QUICK_SECONDS if quick else 4,
    ),
    "workers": lambda url, results, quick: workers.measure(
        url, results, starts=2 if quick else 5, sales=2_000 if quick else 200_000, seconds=QUICK_SECONDS if quick else 5
    ),
    "stores": lambda url, results, quick: stores.measure(
        url, results, most=100 if quick else 10_000, rounds=1 if quick else 3, seconds=QUICK_SECONDS if quick else 6
    ),
    "pdfs": lambda _, results, quick: pdfs.measure(results, rounds=10 if quick else 200),
    "other_work": lambda url, results, quick: other_work.measure(
        url, results, rounds=1 if quick else 5, seconds=QUICK_SECONDS if quick else 5
    ),
    "hub": lambda url, results, quick: hub.measure(url, results, is_quick=quick),
    "peers": lambda url, results, quick: comparison.measure(
        url, results, rounds=1 if quick else 5, seconds=1 if quick else 3
    ),
}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run all benchmarks, or some sections.")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="a short run whose results are not stored")
    options = parser.parse_args(arguments)
    if unknown := set(options.sections) - set(SECTIONS):
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    # So that a signal also ends the started processes.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    installed = [name for name in SECTIONS if name != "peers" or comparison.are_installed()]
    quick, chosen = options.quick, options.sections or installed
    results = Results()
    with ExitStack() as whole_run:
        shared = whole_run.enter_context(mongod()) if quick else None
        for name in chosen:
            console.rule(name)
            with nullcontext(shared) if shared else mongod() as url:
                SECTIONS[name](url, results, quick)
            if not quick:
                results.save()
                write_page()
    results.print()


if __name__ == "__main__":
    main(sys.argv[1:])
