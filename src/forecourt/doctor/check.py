"""A check and its result."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from psycopg import Connection

from forecourt.app import Forecourt

Status: TypeAlias = Literal["ok", "warn", "fail"]

ORDER: dict[Status, int] = {"fail": 0, "warn": 1, "ok": 2}


@dataclass(frozen=True, slots=True)
class Result:
    """What a check found: in words, and as a number with its unit where there is one; the limit
    that it was held against; what to do if it is not well. `tell`: whether somebody who did not ask
    is told of it and of its end, once because it has no end, or never, because somebody wanted it
    so."""

    name: str
    status: Status
    found: str
    limit: str = ""
    advice: str = ""
    value: int | float | None = None  # a count stays one in JSON, also when it has come from afar
    unit: str = ""
    tell: Literal["episode", "once", "never"] = "episode"


@dataclass(frozen=True, slots=True)
class House:
    """What checks look at: the database, the application, and what time it is there."""

    tx: Connection[Any]
    app: Forecourt
    now: datetime


Check: TypeAlias = Callable[[House], list[Result]]


def grade(value: float, warn: float, fail: float) -> Status:
    """How a value stands that should be small."""
    return "fail" if value > fail else "warn" if value > warn else "ok"
