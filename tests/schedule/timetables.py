"""Small timetables for the tests of the schedule."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forecourt.schedule.task import Task
from forecourt.schedule.timetable import Timetable

VECTORS = Path(__file__).parent / "vectors"


@dataclass(frozen=True)
class NamedJob:
    """All that a timetable needs of a job."""

    name: str = "sweep"


def vectors(name: str) -> list[dict[str, Any]]:
    """The rows of one file of vectors."""
    rows: list[dict[str, Any]] = json.loads((VECTORS / f"{name}.json").read_text())
    return rows


def spoken(call: list[list[Any]]) -> str:
    """A vector's chain as it would be written, to name its test."""
    return ".".join(f"{word}({', '.join(map(repr, args))})" for word, *args in call) or "nothing"


def chained(task: Task, call: list[list[Any]]) -> Task:
    """Say a vector's chain of words to a task."""
    for word, *args in call:
        task = getattr(task, word)(*args)
    return task


def new_task(zone: str = "UTC") -> Task:
    """A task without a word said, in a timetable of its own."""
    return Timetable(zone).add(NamedJob())
