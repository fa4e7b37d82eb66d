"""Middleware: what stands around an execution, and the options that it adds."""

from typing import Any, ClassVar

import pytest

from forecourt import Middleware
from forecourt.jobs.context import RunningCall
from forecourt.jobs.middleware import options_of, surrounded


class Diary(Middleware):
    options: ClassVar[frozenset[str]] = frozenset({"diary"})

    def __init__(self) -> None:
        self.lines: list[str] = []

    def before(self, call: RunningCall) -> None:
        self.lines.append(f"before {call.job} {call.extras.get('diary')}")

    def after(self, call: RunningCall, error: BaseException | None) -> None:
        self.lines.append(f"after {error!r}")


class Doubler(Middleware):
    def around(self, call: RunningCall, execute: Any) -> Any:
        return 2 * execute()


CALL = RunningCall(1, "job", 1, {}, {"diary": "blue"})


def test_before_and_after_stand_around_the_function() -> None:
    diary = Diary()
    assert surrounded([diary], CALL, lambda: 5) == 5
    with pytest.raises(ValueError, match="no"):
        surrounded([diary], CALL, lambda: int("no"))
    assert diary.lines[:2] == ["before job blue", "after None"]
    assert diary.lines[3].startswith("after ValueError")


def test_the_first_is_the_outermost() -> None:
    seen = []

    class Outer(Middleware):
        def after(self, call: RunningCall, error: BaseException | None) -> None:
            seen.append("outer")

    class Inner(Middleware):
        def after(self, call: RunningCall, error: BaseException | None) -> None:
            seen.append("inner")

    assert surrounded([Outer(), Inner(), Doubler()], CALL, lambda: 21) == 42
    assert seen == ["inner", "outer"]


def test_two_that_add_the_same_option_clash() -> None:
    class Other(Middleware):
        options: ClassVar[frozenset[str]] = frozenset({"diary"})

    assert options_of([Diary(), Doubler()]) == {"diary"}
    with pytest.raises(ValueError, match="Other and Diary both add diary"):
        options_of([Diary(), Other()])
