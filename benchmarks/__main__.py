"""`make bench`: everything that is measured, in one run on one machine, as a table of goals and what was reached."""

import argparse
import os
import platform
import sys
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import psycopg

from benchmarks.ground import prepared
from benchmarks.measure import Benchmark, Row, Scale

RESULTS = Path(__file__).parent / "RESULTS.md"

BENCHMARKS = (
    "noop",
    "updating",
    "sessions",
    "steady",
    "dispatching",
    "latency",
    "waiting",
    "memory",
    "clock",
    "rollup",
    "archive",
    "sitemap",
    "photos",
    "sweeping",
    "commands",
)
"""The modules, in the order of the table. Each has a function `measure`."""

HEADINGS = ("work", "goal", "reached", "met", "what was compared")


def main() -> None:
    """Print the table. Exits 0 whatever it says: only a benchmark that does not run to its end is an error."""
    options = _options()
    scale = Scale(options.rounds, options.part)
    rows: list[Row] = []
    failed = 0
    with prepared() as ground:
        with psycopg.connect(ground.server) as connection:
            machine = _machine(connection.info.server_version)
        print(machine, flush=True)
        for name in options.only or BENCHMARKS:
            begun = time.monotonic()
            try:
                found = _benchmark(name)(ground, scale)
            except Exception as error:  # noqa: BLE001 - the others are still worth measuring
                failed += 1
                found = [Row(name, "", "did not run", None, f"{type(error).__name__}: {error}")]
            rows += found
            for row in found:
                print(f"{row.work}: {row.reached} [{row.goal}] {_met(row)}\n    {row.detail}", flush=True)
            print(f"    {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    text = "\n".join([machine, "", *_table(rows)])
    print(text)
    if options.write:
        RESULTS.write_text(f"# Measured\n\nThe output of `make bench`.\n\n{text}\n")
    sys.exit(1 if failed else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each pair is measured")
    parser.add_argument("--part", type=float, default=1.0, help="how much of the full size is measured, 1 for all")
    parser.add_argument("--write", action="store_true", help="write RESULTS.md")
    parser.add_argument("only", nargs="*", metavar="BENCHMARK", help=", ".join(BENCHMARKS))
    options = parser.parse_args()
    if unknown := set(options.only) - set(BENCHMARKS):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    return options


def _benchmark(name: str) -> Benchmark:
    found: Benchmark = import_module(f"benchmarks.{name}").measure
    return found


def _machine(server: int) -> str:
    libraries = ", ".join(
        f"{name} {version(name)}" for name in ("psycopg", "sqlalchemy", "orjson", "pillow", "pyarrow")
    )
    return (
        f"{time.strftime('%Y-%m-%d')}: {platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, PostgreSQL {server // 10000}.{server % 10000} with fsync and "
        f"synchronous_commit on; {libraries}"
    )


def _table(rows: list[Row]) -> list[str]:
    lines = ["| " + " | ".join(HEADINGS) + " |", "|" + " --- |" * len(HEADINGS)]
    return lines + [f"| {row.work} | {row.goal} | {row.reached} | {_met(row)} | {row.detail} |" for row in rows]


def _met(row: Row) -> str:
    return {True: "yes", False: "no", None: "-"}[row.met]


if __name__ == "__main__":
    main()
