"""Promises about due times that passed while no clock ran: which of them run, and what is recorded
of the others.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count

import pytest
from rounds import MINUTE, NOON, begun, clear, clock_of, enqueued, ticks, why

import workshop
from fleet import Looking
from forecourt import Timetable
from forecourt.schedule.misfires import MOST_AT_ONCE, MOST_NOTED, ON_TIME, MisfireDecision, apply_misfire, late_until
from forecourt.schedule.rules import Misfire
from forecourt.schedule.task import Task

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def task(looking: Looking) -> Task:
    """A task without a word said, in a timetable of its own."""
    return Timetable("UTC").add(workshop.nothing)


def an_hour_later(instant: datetime) -> datetime:
    return instant + HOUR


def after_a_stop(task: Task, stop: timedelta) -> list[datetime]:
    """The clock runs at noon, then not for `stop`; the due times that its first round after that
    makes calls of.
    """
    timetable = Timetable("UTC")
    timetable._tasks[task.name] = task
    begun(timetable)
    return [due_at for _, due_at in enqueued(clock_of(timetable).run_once(NOON + stop))]


def missed(looking: Looking) -> list[datetime]:
    return [due_at for _, due_at, status in ticks(looking) if status == "missed"]


@pytest.mark.parametrize(
    ("say", "runs", "late", "why"),
    [
        (lambda task: task.every_ten_minutes(), 4 * MINUTE, 6 * MINUTE, "more than 5 min late"),
        (lambda task: task.hourly(), 29 * MINUTE, 31 * MINUTE, "more than 30 min late"),
        (lambda task: task.twice_daily(1, 13), 5 * HOUR, 7 * HOUR, "more than 6 h late"),
        (lambda task: task.weekdays().at("13:00"), 11 * HOUR, 13 * HOUR, "more than 12 h late"),
        (lambda task: task.monthly_on(24, "13:00"), 14 * DAY, 16 * DAY, "more than 15 d late"),
    ],
)
def test_a_missed_due_time_runs_while_it_is_nearer_than_the_next_one(
    say: Callable[[Task], Task], runs: timedelta, late: timedelta, why: str
) -> None:
    task = say(Timetable("UTC").add(workshop.nothing))
    due = task.next_due(NOON)

    def decided(stop: timedelta) -> MisfireDecision:
        return apply_misfire(iter([due]), due + stop, task.misfire, task.next_due)

    assert decided(runs).run == (due,)
    assert decided(late) == MisfireDecision((), ((due, why),))


def test_a_daily_task_missed_by_three_hours_runs_once(task: Task, looking: Looking) -> None:
    assert after_a_stop(task.daily_at("13:00"), 4 * HOUR) == [NOON + HOUR]
    assert missed(looking) == []


def test_a_daily_task_missed_by_more_than_twelve_hours_is_recorded_and_does_not_run(
    task: Task, looking: Looking
) -> None:
    assert after_a_stop(task.daily_at("13:00"), 14 * HOUR) == []
    assert missed(looking) == [NOON + HOUR]
    assert why(looking, "nothing", NOON + HOUR) == "more than 12 h late"


def test_of_several_missed_days_the_latest_runs_and_the_others_say_so(task: Task, looking: Looking) -> None:
    assert after_a_stop(task.daily_at("13:00"), 2 * DAY + 2 * HOUR) == [NOON + 2 * DAY + HOUR]
    assert missed(looking) == [NOON + HOUR, NOON + DAY + HOUR]
    assert why(looking, "nothing", NOON + HOUR) == "the due time 2026-11-25 13:00:00 UTC stands for it"


def test_catch_up_within_says_how_late_is_too_late(task: Task) -> None:
    assert after_a_stop(task.hourly().catch_up(within=HOUR), 3 * HOUR + 10 * MINUTE) == [NOON + 3 * HOUR]


def test_a_task_that_skips_what_it_missed_runs_nothing(task: Task, looking: Looking) -> None:
    assert after_a_stop(task.daily_at("13:00").skip_missed(), 4 * HOUR) == []
    assert why(looking, "nothing", NOON + HOUR) == "no clock ran when it was due"


def test_a_due_time_met_a_minute_late_is_met_also_by_a_task_that_skips(task: Task) -> None:
    late = timedelta(seconds=85)  # a crontab's minute, on a machine that is busy
    assert after_a_stop(task.daily_at("13:00").skip_missed(), HOUR + late) == [NOON + HOUR]


def test_after_a_day_an_every_minute_task_runs_once_and_notes_a_hundred_due_times(task: Task, looking: Looking) -> None:
    assert after_a_stop(task.every_minute(), DAY) == [NOON + DAY]
    noted = missed(looking)
    assert noted == [NOON + DAY - n * MINUTE for n in range(MOST_NOTED, 0, -1)]
    assert why(looking, "nothing", noted[0]).endswith(f"(and {24 * 60 - 1 - MOST_NOTED} due times before it)")
    assert "before it" not in why(looking, "nothing", noted[1])


def test_after_a_day_an_hourly_task_that_is_not_due_just_now_runs_not_at_all(task: Task, looking: Looking) -> None:
    assert after_a_stop(task.hourly(), DAY + 31 * MINUTE) == []
    assert len(missed(looking)) == 24


def test_a_task_within_the_minute_runs_for_the_latest_of_its_due_times(task: Task, looking: Looking) -> None:
    stop = timedelta(seconds=47)
    assert after_a_stop(task.every_fifteen_seconds(), stop) == [NOON + timedelta(seconds=45)]
    assert missed(looking) == [NOON + timedelta(seconds=15), NOON + timedelta(seconds=30)]


def test_each_missed_due_time_runs_if_the_task_asks_for_it(task: Task) -> None:
    task.hourly().catch_up(every=True).allow_overlapping()
    assert after_a_stop(task, DAY) == [NOON + n * HOUR for n in range(1, 25)]


def test_runs_that_are_caught_up_come_one_after_the_other_and_none_is_skipped(looking: Looking) -> None:
    timetable = Timetable("UTC")
    timetable.add(workshop.nothing).hourly().catch_up(every=True)
    begun(timetable)
    clock = clock_of(timetable)
    now = NOON + 3 * HOUR
    ran = []
    for second in range(6):
        ran += [due_at for _, due_at in enqueued(clock.run_once(now + timedelta(seconds=second)))]
        if second % 2:
            clear()  # the call ends
    assert ran == [NOON + HOUR, NOON + 2 * HOUR, NOON + 3 * HOUR]
    assert {status for _, _, status in ticks(looking)} == {"cancelled"}
    assert clock.run_once(now + MINUTE) == []


def test_a_due_time_that_waits_survives_the_end_of_its_clock(looking: Looking) -> None:
    timetable = Timetable("UTC")
    timetable.add(workshop.nothing).hourly().catch_up(every=True)
    begun(timetable)
    clock_of(timetable).run_once(NOON + 2 * HOUR)
    clear()
    assert enqueued(clock_of(timetable).run_once(NOON + 2 * HOUR)) == [("nothing", NOON + 2 * HOUR)]


def test_more_due_times_than_one_transaction_takes_are_spread_over_rounds(looking: Looking) -> None:
    timetable = Timetable("UTC")
    timetable.add(workshop.nothing).every_minute().catch_up(every=True).allow_overlapping()
    begun(timetable)
    clock = clock_of(timetable)
    rounds = [len(clock.run_once(NOON + 10 * HOUR)) for _ in range(3)]
    assert rounds == [500, 100, 0]
    assert looking.count("ready") == 600


def test_what_is_too_late_for_catching_up_each_is_bounded_and_counted() -> None:
    due = [NOON + n * MINUTE for n in range(300)]
    dues = apply_misfire(due, due[-1], Misfire("every", HOUR), an_hour_later)
    assert dues.run == tuple(due[-61:])
    assert len(dues.missed) == MOST_NOTED
    assert dues.missed[0] == (due[139], "more than 1 h late (and 139 due times before it)")
    assert dues.missed[-1] == (due[238], "more than 1 h late")


@pytest.mark.parametrize("kind", ["once", "skip"])
def test_what_nobody_ran_is_bounded_and_counted(kind: str) -> None:
    due = [NOON + n * MINUTE for n in range(300)]
    dues = apply_misfire(due, due[-1] + DAY, Misfire(kind, HOUR), an_hour_later)  # type: ignore[arg-type]
    assert dues.run == ()
    assert [instant for instant, _ in dues.missed] == due[-MOST_NOTED:]
    assert dues.missed[0][1].endswith("(and 200 due times before it)")


@pytest.mark.parametrize("misfire", [Misfire("once", HOUR), Misfire("every"), Misfire("every", HOUR), Misfire("skip")])
def test_nothing_due_is_nothing_to_do(misfire: Misfire) -> None:
    assert apply_misfire([], NOON, misfire, an_hour_later).run == ()
    assert apply_misfire([NOON], NOON + ON_TIME, misfire, an_hour_later).run == (NOON,)


@pytest.mark.parametrize("misfire", [Misfire("once"), Misfire("once", DAY), Misfire("every", HOUR), Misfire("skip")])
def test_until_when_a_due_time_may_run_late_is_when_it_does(misfire: Misfire) -> None:
    until = late_until(NOON, misfire, an_hour_later)
    assert until is not None
    assert apply_misfire([NOON], until, misfire, an_hour_later).run == (NOON,)
    assert apply_misfire([NOON], until + timedelta(microseconds=1), misfire, an_hour_later).run == ()


@pytest.mark.parametrize("within", [None, DAY])
def test_of_due_times_that_all_run_a_round_looks_at_no_more_than_it_can_take(within: timedelta | None) -> None:
    due = (NOON + timedelta(seconds=number) for number in count())
    decision = apply_misfire(due, NOON + 2 * DAY, Misfire("every", within), an_hour_later)
    assert len(decision.run) == MOST_AT_ONCE + 1
    assert [why[:25] for _, why in decision.missed[-1:]] == (["more than 1 d late"] if within else [])
