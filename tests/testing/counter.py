"""Jobs that need no database, and code that dispatches them, as a user's application would have."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from forecourt import job, report

NOWHERE = "postgresql://nobody@127.0.0.1:1/nowhere"

MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)

prepared: list[dict[str, Any]] = []
"""What went through `prepare` in this process."""


def note(args: dict[str, Any]) -> dict[str, Any]:
    prepared.append(args)
    return args | {"path": f"stored/{args['path']}"}


@job(queue="low", priority=3)
def salute(who: str, times: int = 1) -> str:
    return "hello " * times + who


@job
def sell(listing_id: int, price: Decimal, at: datetime = MIDNIGHT) -> Decimal:
    return price


@job(prepare=note)
def store(path: str) -> str:
    return path


@job(unique="listing_id")
def index(listing_id: int, why: str = "") -> int:
    return listing_id


@job(batch=2)
def add_up(number: list[int]) -> int:
    return sum(number)


@job
def welcome(who: str) -> None:
    """Dispatches another job."""
    salute.using(queue="high").dispatch(who=who)


@job
def count_up(to: int) -> int:
    report(to, to)
    return to


@job
def write_file(path: str) -> int:
    return Path(path).write_text("here")
