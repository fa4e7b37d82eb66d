"""Whatever an option cannot be is refused by an error that names the option and shows the value."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from math import inf, nan
from typing import Any

import pytest

from forecourt import Forecourt, Timetable, Workflow, at_most, batch, chain, exponential, job, per
from forecourt.jobs.policy import Policy

ODD: tuple[Any, ...] = (
    True,
    None,
    -1,
    0,
    3,
    2.5,
    nan,
    inf,
    1e300,
    10**30,
    10**400,
    "",
    "x",
    "..",
    " x",
    "a,b",
    "x" * 300,
    b"x",
    [],
    [1],
    {1},
    {"a": 1},
    timedelta(-1),
    timedelta.max,
    datetime(2026, 1, 1),  # noqa: DTZ001 - a naive one
    Decimal("nan"),
    object(),
)


@job(name="option_values.greet")
def greet(listing_id: int = 0) -> None: ...


def made(**options: Any) -> Any:
    return job(name="option_values.refused", **options)(greet.function)


A_NAME = ("x", "x" * 300, "a,b", " x")
"""What may be the name of something, though not of an argument."""

TAKES: dict[str, tuple[Callable[[Any], object], tuple[Any, ...]]] = {
    "job": (lambda value: job(name=value)(greet.function), (None, "x", "a,b")),
    "queue": (lambda value: made(queue=value), ("x",)),
    "priority": (lambda value: made(priority=value), (-1, 0, 3)),
    "tries": (lambda value: made(tries=value), (None, 0, 3)),
    "backoff": (lambda value: made(backoff=value), (None, 0, 3, 2.5, [1])),
    "backoff: base": (lambda value: exponential(value), (0, 3, 2.5)),
    "backoff: factor": (lambda value: exponential(factor=value), (3, 2.5)),
    "backoff: maximum": (lambda value: exponential(maximum=value), (0, 3, 2.5)),
    "backoff: jitter": (lambda value: exponential(jitter=value), (0,)),
    "timeout": (lambda value: made(timeout=value), (None, 0, 3, 2.5)),
    "threads": (lambda value: made(threads=value), (3,)),
    "commit_together": (lambda value: Policy(commit_together=value), (None, 3)),
    "fail_on": (lambda value: made(fail_on=value), ()),
    "retry_until": (lambda value: made(retry_until=value), (None, 0, 3, 2.5)),
    "max_errors": (lambda value: made(max_errors=value), (None, 3)),
    "unique": (lambda value: made(unique=value), (True, [])),
    "unique_for": (lambda value: made(unique=True, unique_for=value), (None, 0, 3, 2.5)),
    "limit": (lambda value: made(limit=value), (None, 3)),
    "limit: by": (lambda value: at_most(1, by=value), ("", "..", *A_NAME, [])),
    "rate": (lambda value: per(60, value), (3,)),
    "rate: the window": (lambda value: per(value, 1), (3, 2.5)),
    "rate: by": (lambda value: per(60, 1, by=value), ("", "..", *A_NAME, [])),
    "mask": (lambda value: made(mask=value), ([],)),
    "prepare": (lambda value: made(prepare=value), (None,)),
    "delay": (lambda value: greet.using(delay=value), (None, 0, 3, 2.5)),
    "at=": (lambda value: greet.using(at=value), (None,)),
    "queue of using": (lambda value: greet.using(queue=value).placement(), (None, "x")),
    "priority of using": (lambda value: greet.using(priority=value).placement(), (None, -1, 0, 3)),
    "batch: name": (lambda value: batch([greet.call()], name=value), ("", "..", *A_NAME)),
    "workflow: name": (lambda value: Workflow(value), ("", "..", *A_NAME)),
    "after": (lambda value: Workflow().add(greet.call(), after=value), ("", [])),
    "expected a call that is not dispatched yet": (lambda value: chain(value), ()),
    "call": (lambda value: batch(value), ()),
    "Forecourt": (lambda value: Forecourt(value), (None,)),
    "queue of Forecourt": (lambda value: Forecourt(queues=value), (None, 0, "", "x", [])),
    "middleware": (lambda value: Forecourt(middleware=value), ("", [])),
    "jobs": (lambda value: Forecourt(jobs=value), (None, "", [])),
    "time zone": (lambda value: Timetable(value), (None,)),
}


@pytest.mark.parametrize("option", TAKES)
def test_what_an_option_cannot_be_is_refused_by_its_name(option: str) -> None:
    give, takes = TAKES[option]
    for value in ODD:
        if any(value is one for one in takes) or (value in takes and not isinstance(value, bool)):
            give(value)
            continue
        with pytest.raises((ValueError, TypeError)) as refused:
            give(value)
        assert option.partition(" of ")[0] in str(refused.value), (value, refused.value)


def test_one_that_stands_alone_and_a_class_instead_of_an_object_are_told_what_was_expected() -> None:
    class Timing: ...

    workflow = Workflow()
    first = workflow.add(greet.call())
    for wrong, words in (
        (lambda: workflow.add(greet.call(), after=first), "after: expected steps of this workflow, in a list, not <"),  # type: ignore[arg-type]
        (lambda: batch(greet.call()), "such as greet.call.listing_id=7., in a list, not Plan"),  # type: ignore[arg-type]
        (lambda: Forecourt(middleware=[Timing]), "middleware: expected instances of Middleware, such as Timing"),  # type: ignore[list-item]
        (lambda: made(unique="listing"), "unique= names listing, which it does not take; it takes listing_id"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            wrong()
