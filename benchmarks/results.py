"""What was measured, kept: `results.json` has every figure of every round, `RESULTS.md` the table,
`docs/benchmark.svg` a picture.

A run of everything replaces it all. A run of some benchmarks replaces theirs, and the table says
that they were repeated.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.measure import Figures, Row

FIGURES = Path(__file__).parent / "results.json"
TABLE = Path(__file__).parent / "RESULTS.md"

HEADINGS = ("work", "goal", "reached", "met", "what was compared")


@dataclass(frozen=True, slots=True)
class Measured:
    """The rows of each benchmark, and when its run began."""

    rows: Sequence[Row]
    at: str


@dataclass(frozen=True, slots=True)
class Results:
    """A run of everything that began `at`, on this machine, and what was repeated since."""

    machine: str
    at: str
    benchmarks: Mapping[str, Measured]

    def with_repeated(self, others: "Results") -> "Results":
        """These, with the others' benchmarks in their places."""
        return replace(self, benchmarks={**self.benchmarks, **others.benchmarks})

    @property
    def repeated(self) -> dict[str, str]:
        """The benchmarks that were measured in another run, with its begin."""
        return {name: measured.at for name, measured in self.benchmarks.items() if measured.at != self.at}

    def table(self) -> str:
        """The machine, and a line for each row."""
        rows = [row for measured in self.benchmarks.values() for row in measured.rows]
        lines = ["| " + " | ".join(HEADINGS) + " |", "|" + " --- |" * len(HEADINGS)]
        lines += [f"| {row.work} | {row.goal} | {row.reached} | {said(row.met)} | {row.detail} |" for row in rows]
        again = [f"Repeated by itself: {name}, {at}." for name, at in self.repeated.items()]
        return "\n".join([f"{self.at}: {self.machine}", *again, "", *lines])


def said(met: bool | None) -> str:
    """In a word."""
    return {True: "yes", False: "no", None: "-"}[met]


def keep(results: Results) -> None:
    """Write the figures and the table."""
    FIGURES.write_text(json.dumps(asdict(results), ensure_ascii=False, indent=1) + "\n")
    TABLE.write_text(f"# Measured\n\nThe output of `make bench`.\n\n{results.table()}\n")


def kept() -> Results | None:
    """What was written last, if anything."""
    if not FIGURES.exists():
        return None
    found = json.loads(FIGURES.read_text())
    benchmarks = {
        name: Measured([_row(row) for row in measured["rows"]], measured["at"])
        for name, measured in found["benchmarks"].items()
    }
    return Results(found["machine"], found["at"], benchmarks)


def _row(row: dict[str, Any]) -> Row:
    sides = {name: Figures(tuple(side["values"]), side["unit"]) for name, side in row.pop("sides").items()}
    return Row(**row, sides=sides)
