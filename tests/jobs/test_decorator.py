"""What cannot be a job is refused where it is decorated, with words."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from copy import copy
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
        (stream, "a function with yield"),
        (generator, "a function with yield"),
    ],
)
def test_a_function_that_a_call_would_not_run_is_no_job(function: Callable[[], Any], kind: str) -> None:
    with pytest.raises(TypeError, match=f"job refused: {kind} cannot be a job: .*nothing of it would run"):
        job(name="refused")(function)


@pytest.mark.parametrize(
    "thing", [partial(coroutine), partial(print), Awaited(), print], ids=["coroutine", "partial", "object", "builtin"]
)
def test_what_is_no_function_is_no_job(thing: Callable[[], Any]) -> None:
    with pytest.raises(
        TypeError, match=r"job refused: expected a function defined by def, not .*wrap it in one; options are named"
    ):
        job(name="refused")(thing)


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 201, 5, "<lambda>"])
def test_a_job_has_a_name_that_can_be_kept(name: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="name"):
        job(name=name)(coroutine)


def test_an_async_function_is_one_that_knows_so() -> None:
    made = job(name="decorator.coroutine", concurrency=5)(coroutine)
    assert (made.is_async, made.policy.at_once) == (True, 5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"threads": 2}, "beside others by concurrency="),
        ({"batch": 2}, "beside others by concurrency="),
        ({"concurrency": 0}, "expected a whole number from 1 to 1000"),
    ],
)
def test_what_makes_no_sense_for_an_async_function_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        job(name="refused", **options)(coroutine)


def test_what_makes_no_sense_for_a_function_is_refused() -> None:
    with pytest.raises(ValueError, match="concurrency= is for `async def` functions"):
        job(name="refused", concurrency=2)(lambda: None)
    with pytest.raises(ValueError, match="commit_together= is for jobs that take a session or a connection"):
        job(name="refused", commit_together=20)(lambda: None)
    for option, given, words in (
        ("fail_on", [KeyError], "expected an exception, or"),
        ("rate", 10, "expected per"),
        ("limit", "3", "expected a number, or at_most"),
        ("batch", 2.5, "expected a whole number"),
        ("commit_together", 1, "expected a whole number from 2 to 1000 calls"),
    ):
        with pytest.raises(ValueError, match=f"{option}: {words}"):
            job(name="refused", **{option: given})(lambda: None)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="takes session and connection"):
        job(name="refused")(lambda *, session, connection: None)


def test_a_function_that_runs_it_by_itself_is_one() -> None:
    @wraps(coroutine)
    def runs() -> None:
        asyncio.run(coroutine())

    assert job(name="decorator.runs")(runs).name == "decorator.runs"


def test_the_words_of_other_queues_are_answered_with_ours() -> None:
    made: Any = job(name="decorator.words")(lambda: None)
    for word in ("delay", "apply_async", "enqueue", "perform_later"):
        with pytest.raises(AttributeError, match=rf"no '{word}': decorator.words.dispatch\(...\) enters a call"):
            getattr(made, word)
    with pytest.raises(AttributeError, match="no attribute 'dispatched'"):
        _ = made.dispatched
    assert copy(made).name == "decorator.words"
