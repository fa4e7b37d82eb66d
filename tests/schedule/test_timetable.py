"""Promises of the timetable: names, arguments, groups, and mistakes found at load."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from time import process_time
from typing import Any

import pytest
from timetables import NamedJob

from forecourt.schedule.errors import TimetableError, UnknownTaskError
from forecourt.schedule.rules import Hooks, Ping
from forecourt.schedule.timetable import Timetable

SWEEP, MOP = NamedJob("sweep"), NamedJob("mop")


@dataclass(frozen=True)
class CheckedJob(NamedJob):
    """A job that takes a whole number of days, and nothing else."""

    def check(self, args: Mapping[str, Any]) -> None:
        """Raise TypeError or ValueError for anything else."""
        if set(args) - {"days"}:
            raise TypeError(f"{self.name} takes no {', '.join(args)}")
        if not isinstance(args.get("days", 1), int):
            raise ValueError("days: expected a whole number")


@pytest.fixture
def timetable() -> Timetable:
    return Timetable("UTC")


def line() -> int:
    """The line from which this is called."""
    return sys._getframe(1).f_lineno


def test_a_task_has_its_job_s_name_unless_it_is_given_one(timetable: Timetable) -> None:
    sweep = timetable.add(SWEEP)
    evening = timetable.add(SWEEP, name="evening-sweep", days=180)
    assert [task.name for task in timetable] == ["sweep", "evening-sweep"]
    assert (sweep.job, sweep.args, evening.args) == (SWEEP, {}, {"days": 180})
    assert len(timetable) == 2
    assert "sweep" in timetable
    assert timetable["evening-sweep"] is evening


def test_an_unknown_name_offers_the_nearest(timetable: Timetable) -> None:
    timetable.add(NamedJob("expire_sponsored_listings"))
    with pytest.raises(KeyError, match=r"^no task is named 'expire_sponsord'; there is expire_sponsored_listings$"):
        timetable["expire_sponsord"]
    with pytest.raises(UnknownTaskError, match=r"^no task is named 'sweep'$"):
        Timetable()["sweep"]


def test_a_name_taken_twice_is_refused_with_both_places(timetable: Timetable) -> None:
    first = line() + 1
    task = timetable.add(SWEEP).daily()
    night = timetable.group("night")
    second = line() + 2
    with pytest.raises(TimetableError) as refused:
        night.add(SWEEP)
    assert f"added twice, at {__file__}:{first} and at {__file__}:{second}" in str(refused.value)
    assert "add(job, name=...)" in str(refused.value)
    assert list(timetable) == [task]


@pytest.mark.parametrize("name", ["", " sweep", "sweep\n", "a\x00b", "x" * 201, "."])
def test_a_name_that_nobody_could_type_is_refused(timetable: Timetable, name: str) -> None:
    with pytest.raises(TimetableError, match=r"task \(.*\): .* is not a name"):
        timetable.add(SWEEP, name=name)
    assert len(timetable) == 0
    with pytest.raises(TimetableError, match=r"group: .* is not a name"):
        timetable.group(name)


def test_what_is_no_job_is_refused(timetable: Timetable) -> None:
    with pytest.raises(
        TimetableError, match="is not a job: decorate the function with @job, and pass it without calling it"
    ):
        timetable.add(line)  # type: ignore[arg-type]


def test_arguments_are_checked_by_the_job_at_load(timetable: Timetable) -> None:
    sweep = CheckedJob("sweep")
    with pytest.raises(TimetableError, match=r"^task 'sweep' \(.*\): sweep takes no hours$"):
        timetable.add(sweep, hours=3)
    with pytest.raises(TimetableError, match="days: expected a whole number"):
        timetable.add(sweep, days="3")
    with pytest.raises(TimetableError, match=r"name the arguments of its job, as in add\(job, days=180\)"):
        timetable.add(sweep, 3)
    assert timetable.add(sweep, days=3).args == {"days": 3}


def test_a_timetable_s_zone_must_exist() -> None:
    for name in ("localtime", "posixrules", "right/Europe/Berlin", "Factory", "europe/berlin", ""):
        with pytest.raises(TimetableError, match=f"{name!r} is not an IANA time zone, such as") as refused:
            Timetable(name)
        assert "such as localtime" not in str(refused.value)
    with pytest.raises(TimetableError, match="'Asia/Damas' is not an IANA time zone, such as Asia/Damascus"):
        Timetable("Asia/Damas")


def test_a_task_takes_from_its_group_what_it_does_not_say(timetable: Timetable) -> None:
    with timetable.group("night", timezone="Africa/Cairo") as night:
        night.daily().weekdays().on_every_server().allow_overlapping().environments("production").using(queue="low")
        sweep = night.add(SWEEP)
        mop = night.add(MOP).at("03:00").timezone("Asia/Damascus").on_one_server().environments("staging")
    assert (sweep.cron, sweep.zone.key, sweep.one_server) == ("0 0 * * 1-5", "Africa/Cairo", False)
    assert (mop.cron, mop.zone.key, mop.one_server) == ("0 3 * * 1-5", "Asia/Damascus", True)
    assert (sweep.may_overlap, sweep.options, sweep.groups) == (True, {"queue": "low"}, ("night",))
    assert sweep.runs_in("production")
    assert not mop.runs_in("production")
    assert timetable.add(NamedJob("dust")).groups == ()


def test_groups_nest_and_the_inner_word_wins(timetable: Timetable) -> None:
    with timetable.group("night") as night:
        night.at("03:00").before(print).with_attributes(team={"name": "night", "size": 2}).skip_missed()
        with night.group("deep", timezone="Asia/Beirut") as deep:
            deep.weekly().before(repr).with_attributes(team={"size": 1}).using(priority=3)
            task = deep.add(SWEEP).tuesdays().ping_before("https://hc.example/").using(queue="low")
    assert task.groups == ("night", "deep")
    assert (task.cron, task.zone.key) == ("0 3 * * 2", "Asia/Beirut")
    assert task.hooks == Hooks(before=(print, repr, Ping("https://hc.example/")))
    assert task.attributes == {"team": {"name": "night", "size": 1}}
    assert task.options == {"priority": 3, "queue": "low"}
    assert task.misfire.kind == "skip"


@pytest.mark.parametrize(
    ("outer", "inner", "cron"),
    [
        (["daily"], ["hourly"], "0 * * * *"),
        (["daily_at", "03:00"], ["daily_at", "04:00"], "0 4 * * *"),
        (["monthly_on", 1, "03:00"], ["at", "04:00"], "0 4 1 * *"),
        (["at", "03:00"], ["monthly"], "0 3 1 * *"),
        (["at", "03:00"], ["every_five_minutes"], "*/5 * * * *"),
        (["weekly_on", 1, "03:00"], ["fridays"], "0 3 * * 5"),
        (["weekdays"], ["hourly"], "0 * * * 1-5"),
        (["weekdays"], ["weekly_on", 6], "0 0 * * 6"),
        (["weekdays"], ["cron", "0 9 * * *"], "0 9 * * 1-5"),
        (["weekly_on", 1, "08:00"], ["daily"], "0 0 * * *"),
        (["daily_at", "08:00"], ["monthly"], "0 0 1 * *"),
        (["every_ten_seconds"], ["daily"], "0 0 * * *"),
    ],
)
def test_a_task_s_frequency_wins_over_its_group_s(
    timetable: Timetable, outer: list[Any], inner: list[Any], cron: str
) -> None:
    night = timetable.group()
    getattr(night, outer[0])(*outer[1:])
    task = getattr(night.add(SWEEP), inner[0])(*inner[1:])
    assert (task.cron, task.repeat_seconds) == (cron, None)


def test_a_group_s_words_hold_also_when_they_come_after_its_tasks(timetable: Timetable) -> None:
    night = timetable.group("night")
    task = night.add(SWEEP)
    night.daily().between("0:00", "5:00")
    assert task.sentence == "Daily at 00:00, between 00:00 and 05:00"


def test_a_contradiction_with_the_group_is_refused_too(timetable: Timetable) -> None:
    night = timetable.group("night")
    night.weekdays()
    task = night.add(SWEEP)
    with pytest.raises(TimetableError, match=r"task 'sweep' .*monthly names days of the month"):
        task.monthly()
    with pytest.raises(TimetableError, match=r"^group 'night': the weekdays are named twice"):
        night.mondays()


def test_leaving_a_group_checks_its_tasks(timetable: Timetable) -> None:
    night = timetable.group("night")
    night.between("1:00", "5:00").add(SWEEP).daily_at("9:00")
    with pytest.raises(TimetableError, match=r"task 'sweep' .* never due"), night:
        pass


def test_an_error_inside_a_group_is_not_hidden_by_its_check(timetable: Timetable) -> None:
    night = timetable.group("night")
    night.between("1:00", "5:00").add(SWEEP).daily_at("9:00")
    with pytest.raises(ZeroDivisionError), night:
        raise ZeroDivisionError


def test_a_check_lists_every_mistake(timetable: Timetable) -> None:
    night = timetable.group("night")
    timetable.add(SWEEP).daily_at("9:00").between("10:00", "11:00")
    timetable.add(NamedJob("fine")).daily()
    night.add(MOP).monthly()
    night.weekdays()
    with pytest.raises(TimetableError) as refused:
        timetable.check()
    sweep, mop = refused.value.mistakes
    assert sweep.startswith("task 'sweep' (")
    assert mop.startswith("task 'mop' (")
    assert str(refused.value) == f"{sweep}\n{mop}"


def test_a_check_of_a_good_timetable_says_nothing(timetable: Timetable) -> None:
    timetable.add(SWEEP).daily()
    timetable.check()


def test_ten_thousand_tasks_find_their_next_due_time_in_seconds(timetable: Timetable) -> None:
    for number in range(10_000):
        timetable.add(NamedJob(f"task {number}")).daily_at(f"{number % 24}:{number % 60}")
    now = datetime(2026, 11, 23, tzinfo=UTC)
    started = process_time()
    assert min(task.next_due(now) for task in timetable) > now
    assert process_time() - started < 3  # about 0.2


@pytest.mark.parametrize(
    ("inner", "words"),
    [
        (["weekly"], "weekly would drop the weekdays 1-5 of its group"),
        (["cron", "0 9 * * 6"], "in its fifth field, and others are 1-5"),
        (["cron", "0 9 1 * *"], "cron would run on either"),
    ],
)
def test_what_a_chain_refuses_a_group_refuses(timetable: Timetable, inner: list[Any], words: str) -> None:
    before, after = timetable.group(), timetable.group()
    before.weekdays()
    with pytest.raises(TimetableError, match=words):
        getattr(before.add(SWEEP), inner[0])(*inner[1:])
    getattr(after.add(MOP), inner[0])(*inner[1:])
    after.weekdays()
    with pytest.raises(TimetableError, match=f"task 'mop' .*{words}"):
        timetable.check()
