"""Which jobs are an application's, and what stands around them, says the application."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest

import workshop
from fleet import Looking, work_until_empty
from forecourt import Forecourt, Middleware, Timetable, batch, chain, job
from forecourt.app import load
from forecourt.jobs.application import NoSuchApplication
from forecourt.jobs.context import RunningCall
from forecourt.jobs.job import Job, declared
from forecourt.jobs.registry import WrongJobs
from forecourt.testing import drain, fake_queue, run_as_inline, run_now

TWO = """
from forecourt import Forecourt, Middleware, Timetable, job

class Says(Middleware):
    def __init__(self, word):
        self.word = word
    def around(self, call, execute):
        return f"{self.word} {execute()}"
    async def around_async(self, call, execute):
        return f"{self.word} {await execute()}"

@job(name="greet")
def welcome() -> str:
    return "welcome"

@job(name="greet")
async def goodbye() -> str:
    return "goodbye"

first = Forecourt(middleware=[Says("one:")], jobs=[welcome])
second = Forecourt(middleware=[Says("two:")], jobs=[goodbye])
"""


class Diary(Middleware):
    options: ClassVar[frozenset[str]] = frozenset({"diary"})

    def __init__(self) -> None:
        self.lines: list[Any] = []

    def before(self, call: RunningCall) -> None:
        self.lines.append((call.job, call.queue, call.extras.get("diary")))


@pytest.fixture(autouse=True)
def declared_here() -> Iterator[None]:
    """What the tests declare does not fit together, and is forgotten."""
    known = len(declared)
    yield
    del declared[known:]


def same_name(word: str, **options: Any) -> Job[..., str]:
    """A job named `say`, as another module could have one."""

    def say() -> str:
        return word

    say.__qualname__ = word
    return job(name="say", **options)(say)


def test_two_applications_of_one_process_each_run_their_own_job_of_a_name_inside_their_own_middleware(
    looking: Looking,
) -> None:
    one, other = same_name("one", queue="high", diary="blue"), same_name("other", queue="low")
    heard: list[str] = []
    evening, morning = Timetable("UTC"), Timetable("UTC")
    for timetable, word in ((evening, "evening"), (morning, "morning")):
        task = timetable.add(workshop.nothing).daily()
        task.before(partial(heard.append, f"{word} began")).after(partial(heard.append, f"{word} ended"))
    diary, second = Diary(), Diary()
    apps = Forecourt(evening, middleware=[diary], jobs=[one]), Forecourt(morning, middleware=[second], jobs=[other])
    assert [app.jobs["say"] for app in apps] == [one, other]
    assert "leave_trace" not in apps[0].jobs, "of the others only the timetable's and the engine's"
    assert "nothing" in apps[0].jobs
    for app, queue in zip(apps, ("high", "low"), strict=True):
        app.jobs["say"].dispatch()
        drain([queue], app=app)
    assert looking.rows("SELECT queue, result FROM forecourt.done ORDER BY id") == [("high", "one"), ("low", "other")]
    assert (diary.lines, second.lines) == ([("say", "high", "blue")], [("say", "low", None)])
    for app in apps:
        looking.connection.execute(
            "INSERT INTO forecourt.ready (job, queue, args, options) VALUES ('nothing', 'default', '{\"n\": 1}',"
            ' \'{"task": "nothing", "due_at": "2026-11-23T12:00:00Z"}\'), (\'forecourt.after_task\', \'default\','
            ' \'{"task": "nothing", "due_at": "2026-11-23T12:00:00Z", "job": "nothing", "succeeded": true,'
            " \"seconds\": 1}', '{}')"
        )
        drain(app=app)
    assert heard == ["evening began", "evening ended", "morning began", "morning ended"]


def test_a_worker_takes_jobs_and_middleware_from_the_application_that_it_was_given(
    looking: Looking, tmp_path: Path
) -> None:
    (tmp_path / "both.py").write_text(TWO)
    for app in ("first", "second"):
        looking.connection.execute("INSERT INTO forecourt.ready (job, queue, args) VALUES ('greet', 'default', '{}')")
        work_until_empty(app=f"both:{app}", PYTHONPATH=f"{tmp_path}", processes=1)
    said = looking.rows("SELECT result FROM forecourt.done ORDER BY id")
    assert said == [("one: welcome",), ("two: goodbye",)], "plain functions and coroutines"


def test_jobs_are_named_by_their_modules_and_those_declared_later_count() -> None:
    everything, ours = Forecourt(), Forecourt(jobs=[workshop])
    assert everything.jobs["nothing"] is ours.jobs["nothing"] is workshop.nothing
    assert "forecourt.after_task" in ours.jobs
    slots = everything.jobs.fixed()
    late = job(name="registry.late")(lambda: None)
    assert everything.jobs["registry.late"] is late
    assert "registry.late" not in ours.jobs
    same_name("one"), same_name("other")
    assert "say" not in slots, "what a call declares harms nobody else's"
    with pytest.raises(TypeError, match="jobs: expected modules and jobs, not 'workshop'"):
        Forecourt(jobs=["workshop"])  # type: ignore[list-item]


def test_what_does_not_fit_together_is_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dairy = job(name="registry.dairy", dairy="blue")(lambda: None)
    with pytest.raises(
        WrongJobs,
        match=r"job registry.dairy \(.*\): no such option: dairy; the engine has name, queue, .* declares none",
    ):
        Forecourt(jobs=[dairy])
    with pytest.raises(WrongJobs, match=r"no such option: dairy; .*, prepare; .* declares diary"):
        Forecourt(jobs=[dairy], middleware=[Diary()])
    two = same_name("one"), same_name("other")
    with pytest.raises(WrongJobs, match=r"two jobs are named 'say': .*\.one and .*\.other; give one a name="):
        Forecourt(jobs=two)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "spelt_wrong.py").write_text(
        "from forecourt import Forecourt, job\napp = Forecourt()\n@job(name='registry.spelt', quee='high')\n"
        "def spelt(): ...\n"
    )
    del declared[-3:]
    with pytest.raises(NoSuchApplication, match=r"=spelt_wrong:app: job registry.spelt \(.*\): no such option: quee"):
        load("spelt_wrong:app")


def test_a_chain_s_jobs_are_those_that_were_named_whoever_has_jobs_of_their_names(looking: Looking) -> None:
    one, other = same_name("one"), same_name("other")
    seen = Diary()
    with fake_queue() as fake:
        chain(workshop.nothing.call(n=1), other.call()).catch(other.call()).dispatch()
        fake.assert_chained(workshop.nothing, other)
    app = Forecourt(jobs=[one, workshop], middleware=[seen])
    with run_as_inline(app):
        chain(workshop.nothing.call(n=1), one.call()).dispatch()
    assert [line[0] for line in seen.lines] == ["nothing", "say"]
    assert run_now(other, app) == "other"
    batch([workshop.nothing.call(n=1)], name="b").dispatch()
    assert drain(app=app).finished == 1
