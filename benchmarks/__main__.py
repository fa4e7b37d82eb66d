"""`make bench`: everything that is measured, in one run on one machine, as a table of goals and
what was reached.

`python -m benchmarks NAME ...` measures some of it.
"""

import argparse
import os
import platform
import sys
import time
from importlib import import_module
from importlib.metadata import version

import psycopg

from benchmarks import picture, results
from benchmarks.ground import Ground, prepared
from benchmarks.measure import Benchmark, Row, Scale
from benchmarks.results import Measured, Results

BENCHMARKS = (
    "noop",
    "slots",
    "updating",
    "exactly_once",
    "hot_rows",
    "steady",
    "dispatching",
    "latency",
    "waiting",
    "memory",
    "idle",
    "clock",
    "rollup",
    "archive",
    "sitemap",
    "photos",
    "events",
    "sweeping",
    "commands",
    "pages",
)
"""The modules, in the order of the table. Each has a function `measure`."""

DID_NOT_RUN = "did not run"


def main() -> None:
    """Print the table. Exits 0 whatever it says: only a benchmark that does not run to its end is
    an error.
    """
    options = _options()
    scale = Scale(options.rounds, options.part, options.minutes)
    at = time.strftime("%Y-%m-%d %H:%M")
    with prepared() as ground:
        with psycopg.connect(ground.server) as connection:
            machine = _machine(connection.info.server_version)
        print(machine, flush=True)
        measured = {name: _measured(name, ground, scale) for name in options.only or BENCHMARKS}
    found = Results(machine, at, {name: Measured(rows, at) for name, rows in measured.items()})
    print(found.table())
    if options.write:
        before = results.kept() if options.only else None
        found = before.with_repeated(found) if before else found
        results.keep(found)
        picture.draw(found)
    sys.exit(any(row.reached == DID_NOT_RUN for rows in measured.values() for row in rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each pair is measured  [5]")
    parser.add_argument("--part", type=float, default=1.0, help="how much of the full size is measured  [1, all]")
    parser.add_argument("--minutes", type=float, default=1.0, help="how long the run without a pause takes  [1]")
    parser.add_argument("--write", action="store_true", help="write RESULTS.md, results.json and docs/benchmark.svg")
    parser.add_argument("only", nargs="*", metavar="BENCHMARK", help=", ".join(BENCHMARKS))
    options = parser.parse_args()
    if unknown := set(options.only) - set(BENCHMARKS):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    return options


def _measured(name: str, ground: Ground, scale: Scale) -> list[Row]:
    """A benchmark's rows, printed. That it did not run to its end is a row too: the others are
    still worth measuring.
    """
    begun = time.monotonic()
    measure: Benchmark = import_module(f"benchmarks.{name}").measure
    try:
        rows = measure(ground, scale)
    except Exception as error:  # noqa: BLE001 - see above
        rows = [Row(name, "", DID_NOT_RUN, None, f"{type(error).__name__}: {error}")]
    for row in rows:
        print(f"{row.work}: {row.reached} [{row.goal}] {results.said(row.met)}\n    {row.detail}", flush=True)
    print(f"    {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    return rows


def _machine(server: int) -> str:
    libraries = ", ".join(
        f"{name} {version(name)}" for name in ("psycopg", "sqlalchemy", "orjson", "pillow", "pyarrow")
    )
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"PostgreSQL {server // 10000}.{server % 10000} with fsync and synchronous_commit on; {libraries}"
    )


if __name__ == "__main__":
    main()
