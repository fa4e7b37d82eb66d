"""Promises of a task's rules: conditions, environments, servers, missed due times, hooks,
options.
"""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest
from timetables import NamedJob, new_task

from forecourt.schedule.definition import definition
from forecourt.schedule.errors import TimetableError
from forecourt.schedule.hook_runner import Run, run_hooks
from forecourt.schedule.rules import Hooks, Misfire, Ping
from forecourt.schedule.task import Task
from forecourt.schedule.timetable import Timetable
from forecourt.settings import settings


def test_unsaid_means_one_server_no_overlap_no_run_in_a_pause_anywhere() -> None:
    task = new_task()
    assert (task.one_server, task.may_overlap, task.ignores_pause) == (True, False, False)
    assert task.runs_in("production")
    assert task.passes() is None
    assert (task.hooks, task.options, task.attributes, task.description, task.groups) == (Hooks(), {}, {}, "", ())


def test_each_default_can_be_undone_and_restored() -> None:
    task = new_task().on_every_server().allow_overlapping().even_when_paused()
    assert (task.one_server, task.may_overlap, task.ignores_pause) == (False, True, True)
    task.on_one_server().without_overlapping()
    assert (task.one_server, task.may_overlap) == (True, False)


def is_open() -> bool:
    """Whether the shop is."""
    return False


def test_conditions_say_why_they_hold_a_task_back() -> None:
    assert new_task().when(lambda: True).skip(lambda: 0).passes() is None
    assert new_task().when(is_open).passes() == "when(is_open) was false"
    assert new_task().when(lambda: True).skip(lambda: "holiday").passes() == (
        "skip(test_conditions_say_why_they_hold_a_task_back.<locals>.<lambda>) was true"
    )

    class Flag:
        def __call__(self) -> bool:
            return False

        def __repr__(self) -> str:
            return "flag \x00\udc80"

    assert new_task().when(Flag()).passes() == r"when(flag \x00\udc80) was false", "in words that a database can store"


def test_what_a_condition_raises_goes_through() -> None:
    task = new_task().when(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        task.passes()


def test_a_coroutine_that_a_function_returned_is_no_yes_and_no_run_of_a_hook() -> None:
    with pytest.raises(TypeError, match="eventually is a coroutine, which nobody awaits here"):
        new_task().when(lambda: eventually()).passes()
    ping = Ping("http://127.0.0.1:1/", when=lambda: eventually())
    with pytest.raises(ExceptionGroup) as raised:
        run_hooks([lambda: eventually(), ping], Run("sweep", datetime.now(UTC), "succeeded"))
    assert [type(error) for error in raised.value.exceptions] == [TypeError, TypeError]


def test_a_condition_takes_nothing_and_a_hook_what_it_can_take() -> None:
    with pytest.raises(TimetableError, match=r"when\(.*<lambda>\): it asks for the arguments \(task\); expected none$"):
        new_task().when(lambda task: True)
    heard: list[object] = []
    run = Run("sweep", datetime.now(UTC), "succeeded")
    task = (
        new_task().after(heard.append).after(lambda *, at=None: heard.append(at)).after(monotonic).after(lambda: None)
    )
    run_hooks(task.hooks.after, run)
    assert heard == [run, None]


def test_a_condition_is_asked_each_time() -> None:
    answers = iter([True, False])
    task = new_task().when(lambda: next(answers))
    assert task.passes() is None
    assert task.passes() is not None


async def eventually() -> bool:
    """A coroutine, which would always look true."""
    return False


@pytest.mark.parametrize(
    "word", ["when", "skip", "before", "after", "then", "on_success", "on_failure", "on_missed", "on_overdue"]
)
def test_only_plain_functions_are_taken(word: str) -> None:
    task = new_task()
    with pytest.raises(TimetableError, match=r"task 'sweep' .*\(False\): expected a function; pass it without"):
        getattr(task, word)(is_open())
    with pytest.raises(TimetableError, match="expected a plain function, not a coroutine"):
        getattr(task, word)(eventually)
    with pytest.raises(TimetableError, match=r"it asks for the arguments \(run, more\); expected none"):
        getattr(task, word)(lambda run, more: None)
    assert task.hooks == Hooks()
    assert task.passes() is None


def test_environments_are_exact_and_the_last_word_holds() -> None:
    task = new_task().environments("production", "staging")
    assert task.runs_in("staging")
    assert not task.runs_in("Staging")
    assert not task.environments("production").runs_in("staging")
    with pytest.raises(TimetableError, match="expected names, such as 'production'"):
        task.environments()
    with pytest.raises(TimetableError, match="expected names, such as 'production'"):
        task.environments("a\x00b")


@pytest.mark.parametrize(
    ("say", "misfire"),
    [
        (lambda task: task.daily_at("4:00"), Misfire("once")),
        (lambda task: task.every_second(), Misfire("once")),
        (lambda task: task.hourly().catch_up(), Misfire("once")),
        (lambda task: task.hourly().catch_up(within=90), Misfire("once", timedelta(seconds=90))),
        (lambda task: task.hourly().catch_up(every=True), Misfire("every", None)),
        (
            lambda task: task.hourly().catch_up(every=True, within=timedelta(hours=3)),
            Misfire("every", timedelta(hours=3)),
        ),
        (lambda task: task.daily().skip_missed(), Misfire("skip")),
    ],
)
def test_missed_due_times(say: Callable[[Task], Task], misfire: Misfire) -> None:
    assert say(new_task()).misfire == misfire


@pytest.mark.parametrize("within", [0, -5, timedelta(seconds=-1), math.nan, math.inf, timedelta.max, True])
def test_catching_up_a_deadline_and_jitter_need_a_span(within: float | timedelta) -> None:
    task = new_task()
    with pytest.raises(TimetableError, match="seconds, up to a day"):
        task.jitter(within)
    with pytest.raises(TimetableError, match="from 90 to a hundred years"):
        task.catch_up(within=within)
    with pytest.raises(TimetableError, match="from 90 to a hundred years"):
        task.deadline(within)


def test_hooks_keep_their_order() -> None:
    task = (
        new_task()
        .before(print)
        .ping_before("https://hc.example/start")
        .after(print)
        .then(repr)
        .then_ping("https://hc.example/log")
        .on_success(print)
        .ping_on_success("http://hc.example:8080/ok?rid=1")
        .on_failure(print)
        .ping_on_failure("https://hc.example/fail", when=is_open)
    )
    assert task.hooks == Hooks(
        before=(print, Ping("https://hc.example/start")),
        after=(print, repr, Ping("https://hc.example/log")),
        on_success=(print, Ping("http://hc.example:8080/ok?rid=1")),
        on_failure=(print, Ping("https://hc.example/fail", when=is_open)),
    )


def test_a_ping_is_made_only_when_its_condition_says_so() -> None:
    assert new_task().then_ping("https://hc.example/", when=False).hooks == Hooks()
    assert new_task().then_ping("https://hc.example/", when=True).hooks == Hooks(after=(Ping("https://hc.example/"),))


def test_what_is_kept_of_a_ping_tells_a_change_of_its_path_and_not_the_path() -> None:
    first, second = (
        definition(new_task().then_ping(f"https://hc.example/{path}"))["hooks"] for path in ("key", "other")
    )
    assert first != second
    assert "https://hc.example (" in str(first)
    assert "key" not in str(first)


@pytest.mark.parametrize(
    "url",
    [
        *("hc.example/start", "ftp://hc.example/", "file:///etc/passwd", "https://", "http:///path", "http://[::1"),
        *("http://hc.example:port/", "https://hc.example/a b", "https://hc.example/\n"),
    ],
)
@pytest.mark.parametrize("when", [True, False])
def test_an_address_that_cannot_be_pinged_is_refused(url: str, when: bool) -> None:
    task = new_task()
    with pytest.raises(TimetableError, match=r"task 'sweep' .* cannot be pinged: expected http:// or https://"):
        task.ping_before(url, when=when)


def test_dispatch_options_add_up_and_are_checked() -> None:
    task = new_task().using(queue="low").using(priority=5)
    assert task.options == {"queue": "low", "priority": 5}
    with pytest.raises(TimetableError, match=r"task 'sweep' .*: using: queue: 'low,high' is not a name"):
        task.using(queue="low,high")
    with pytest.raises(TimetableError, match="using: priority: expected a whole number"):
        task.using(priority=100_000)
    assert task.options == {"queue": "low", "priority": 5}


def test_words_and_metadata_for_people() -> None:
    with pytest.raises(TimetableError, match=r"describe: expected words, not 5"):
        new_task().describe(5)
    task = new_task().describe("Sweeps the floor").with_attributes(team={"name": "night", "size": 2}, tier=1)
    task.with_attributes(team={"size": 3})
    assert task.description == "Sweeps the floor"
    assert task.attributes == {"team": {"name": "night", "size": 3}, "tier": 1}


def test_the_fingerprint_changes_with_what_makes_it_due_and_with_nothing_else() -> None:
    def task() -> Task:
        return new_task().daily_at("9:00")

    same = {task().fingerprint, task().describe("x").on_every_server().when(is_open).using(queue="low").fingerprint}
    others = {
        new_task().daily_at("9:01").fingerprint,
        new_task("Asia/Damascus").daily_at("9:00").fingerprint,
        task().between("8:00", "10:00").fingerprint,
        task().unless_between("10:00", "11:00").fingerprint,
        new_task().every_minute().fingerprint,
        new_task().every_second().fingerprint,
    }
    assert len(same) == 1
    assert len(others | same) == 7
    assert all(len(fingerprint) == 16 for fingerprint in others)


@pytest.mark.usefixtures("empty_var")
def test_without_a_zone_the_settings_decide_when_a_task_is_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    task = Timetable().add(NamedJob()).daily()
    monkeypatch.setenv("FORECOURT_TIMEZONE", "Asia/Damascus")
    settings.cache_clear()
    assert task.zone.key == "Asia/Damascus"
    settings.cache_clear()
