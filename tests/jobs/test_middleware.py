"""Middleware: what stands around an execution, and the options that it adds."""

from typing import Any, ClassVar

import pytest

from forecourt import Middleware, job, use
from forecourt.jobs import middleware
from forecourt.jobs.context import RunningCall


@pytest.fixture(autouse=True)
def only_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "_in_use", [])
    return


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
    use(diary)
    assert middleware.surrounded(CALL, lambda: 5) == 5
    with pytest.raises(ValueError, match="no"):
        middleware.surrounded(CALL, lambda: int("no"))
    assert diary.lines[:2] == ["before job blue", "after None"]
    assert diary.lines[3].startswith("after ValueError")


def test_the_first_in_use_is_the_outermost() -> None:
    seen = []

    class Outer(Middleware):
        def after(self, call: RunningCall, error: BaseException | None) -> None:
            seen.append("outer")

    class Inner(Middleware):
        def after(self, call: RunningCall, error: BaseException | None) -> None:
            seen.append("inner")

    use(Outer())
    use(Inner())
    use(Doubler())
    assert middleware.surrounded(CALL, lambda: 21) == 42
    assert seen == ["inner", "outer"]


def test_an_option_that_nobody_declares_is_an_error_at_decoration() -> None:
    with pytest.raises(TypeError, match=r"no such option: diary; .* \(these are declared: none\)"):
        job(name="middleware.one", diary="blue")(lambda: None)
    use(Diary())
    assert job(name="middleware.two", diary="blue")(lambda: None).extras == {"diary": "blue"}
    with pytest.raises(TypeError, match=r"no such option: dairy"):
        job(name="middleware.three", dairy="blue")(lambda: None)


def test_two_that_add_the_same_option_clash_and_a_second_of_one_class_replaces_the_first() -> None:
    class Other(Middleware):
        options: ClassVar[frozenset[str]] = frozenset({"diary"})

    use(Diary())
    use(Diary())
    with pytest.raises(ValueError, match="Other and Diary both add diary"):
        use(Other())
