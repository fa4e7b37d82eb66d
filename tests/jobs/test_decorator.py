"""What cannot be a job is refused where it is decorated, with words."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial, wraps
from typing import Any

import pytest

from forecourt import job


async def coroutine() -> None: ...


async def stream() -> AsyncIterator[int]:
    yield 1


def generator() -> Iterator[int]:
    yield 1


class Awaited:
    __name__ = "awaited"

    async def __call__(self) -> None: ...


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (coroutine, "an async function"),
        (stream, "a function with yield"),
        (generator, "a function with yield"),
        (partial(coroutine), "an async function"),
        (Awaited(), "an async function"),
    ],
)
def test_a_function_that_a_call_would_not_run_is_no_job(function: Callable[[], Any], kind: str) -> None:
    with pytest.raises(TypeError, match=f"job refused: {kind} cannot be a job: .*nothing of it would run"):
        job(name="refused")(function)


def test_a_function_that_runs_it_by_itself_is_one() -> None:
    @wraps(coroutine)
    def runs() -> None:
        asyncio.run(coroutine())

    assert job(name="decorator.runs")(runs).name == "decorator.runs"
