"""The morning's mail: each duty of the last day, what was late, slow beside its own history or failed, what is wrong now, and
what the next day will bring. Of what it cannot know it says so, or nothing."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from forecourt.app import load
from forecourt.doctor.check import House, Result
from forecourt.doctor.examination import examine
from forecourt.process import hostname
from forecourt.settings import settings
from forecourt.store import failure_kinds, outcomes
from forecourt.store.failure_kinds import Kind
from forecourt.visible import visible
from forecourt.web.morning_words import Speech
from forecourt.web.nights import Duty, Span, duties
from forecourt.web.templating import environment

DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)
JUST_NOW = timedelta(minutes=5)

FEW = 4
"""Runs a day of one task that are told one by one."""

WORST_FIRST = (
    "failed",
    "missed",
    "unknown",
    "late",
    "skipped",
    "slow",
    "cancelled",
    "paused",
    "running",
    "enqueued",
    "done",
)

GLYPHS = {"done": "✓", "failed": "✕", "missed": "✕", "unknown": "?", "running": "…", "enqueued": "…", "to come": "○"}
"""All others want a look: ▲."""


@dataclass(frozen=True, slots=True)
class Line:
    """A run of a duty, or what is to be said of it instead. `state` as the pages name it; `due`, `took` and `did` in words, empty
    where nothing is known."""

    name: str
    title: str
    state: str
    due: str = ""
    took: str = ""
    did: str = ""

    @property
    def glyph(self) -> str:
        return GLYPHS.get(self.state, "▲")

    @property
    def tone(self) -> str:
        return {"✓": "good", "✕": "bad", "…": "plain", "○": "plain"}.get(self.glyph, "look")


@dataclass(frozen=True, slots=True)
class Morning:
    """What the mail tells."""

    at: datetime
    ran: Sequence[Line]
    to_come: Sequence[Line]
    failures: Sequence[Kind]
    wrong: Sequence[Result]


def compose(tx: Connection[Any], at: datetime, language: str) -> tuple[str, str, str]:
    """Subject, text and HTML of the report about the day before `at`."""
    speech = Speech(language)
    morning = _gathered(tx, at, speech)
    told = {
        "m": morning,
        "s": speech,
        "since": speech.time(at - DAY, at),
        "link": f"{settings().base_url}/night",
        "made": speech.say("made", time=speech.time(at, at), host=hostname()),
        "times": speech.say("times", zone=settings().timezone),
        "title": speech.say("night", day=speech.day(at)),
        "sum": _sum(morning, speech),
    }
    subject = f"{told['title']}: {told['sum']}"
    return subject, _text(morning, speech, told), environment().get_template("mail/morning.html").render(told)


def _gathered(tx: Connection[Any], at: datetime, speech: Speech) -> Morning:
    app = load()
    over = Span(at.astimezone(settings().zone).date(), at - DAY, at + DAY)
    found = duties(tx, app.schedule(tx), over, at)
    since = outcomes.known_since(tx)
    ran = [line for duty in found for line in _ran(duty, at, speech, since.get(duty.task.name))]
    return Morning(
        at=at,
        ran=sorted(ran, key=lambda line: WORST_FIRST.index(line.state) if line.state in WORST_FIRST else 0),
        to_come=[
            line for duty in found if len(duty.to_come) <= FEW and not duty.often for line in _to_come(duty, at, speech)
        ],
        failures=failure_kinds.kinds(tx, since=at - DAY, until=at, limit=10),
        wrong=[result for result in examine(House(tx, app, at)) if result.status != "ok"][:10],
    )


def _ran(duty: Duty, at: datetime, speech: Speech, since: datetime | None) -> Iterator[Line]:
    title = speech.duty(duty.task.name, duty.task.description)
    past = [run for run in duty.runs if run.due_at <= at]
    if len(past) > FEW:
        bad = [run for run in past if run.status not in ("succeeded", "enqueued")]
        did = speech.say("often", runs=speech.number(len(past)), bad=speech.number(len(bad)))
        yield Line(duty.task.name, title, "failed" if len(bad) == len(past) else "late" if bad else "done", did=did)
        past = bad[-FEW:]
    for run in past:
        state = duty.standing(at) if run is duty.latest else "slow" if duty.is_slow(run) else run.status
        state = "done" if state == "succeeded" else state
        took = "" if run.seconds is None else speech.lasting(run.seconds)
        if state == "slow" and duty.usual is not None:
            took += f" ({speech.say('usually', time=speech.lasting(duty.usual))})"
        yield Line(duty.task.name, title, state, speech.time(run.due_at, at), took, run.why or speech.did(run.output))
    if since is not None and duty.task.one_server and not duty.often:
        seen = {run.due_at for run in duty.runs}
        for due in duty.task.occurrences(max(since, at - DAY) - MOMENT, at - JUST_NOW):
            if due not in seen:
                yield Line(duty.task.name, title, "unknown", speech.time(due, at), did=speech.say("unknown"))


def _to_come(duty: Duty, at: datetime, speech: Speech) -> Iterator[Line]:
    title = speech.duty(duty.task.name, duty.task.description)
    # In words of another language it would be half a guess and half a riddle.
    expected = speech.say("expected", what=duty.expected) if duty.expected and speech.language == "en" else ""
    for due in duty.to_come:
        state = "paused" if duty.pause else "to come"
        yield Line(duty.task.name, title, state, speech.time(due, at), did=expected)


def _sum(morning: Morning, speech: Speech) -> str:
    counts = Counter(line.state for line in morning.ran)
    told = [f"{speech.state(state)} {speech.number(counts[state])}" for state in WORST_FIRST if counts[state]]
    well = not set(counts) - {"done", "running", "enqueued"} and not morning.failures and not morning.wrong
    comma = "، " if speech.language == "ar" else ", "
    return comma.join([speech.say("well"), *told] if well else told or [speech.say("nothing_ran")])


def _text(morning: Morning, speech: Speech, told: dict[str, Any]) -> str:
    lines = [told["title"], told["sum"], "", speech.say("ran", time=told["since"])]
    lines += [_plain(line, speech) for line in morning.ran] or [speech.say("nothing_ran")]
    if morning.failures:
        lines += ["", speech.say("failures")]
        lines += [
            f"✕ {kind.error} · {kind.job} · {speech.calls(kind.calls)}: {_short(kind.message)}"
            for kind in morning.failures
        ]
    lines += ["", speech.say("now")]
    lines += [
        f"{'✕' if result.status == 'fail' else '▲'} {result.name}: {_short(result.found)}" for result in morning.wrong
    ] or [speech.say("nothing_wrong")]
    lines += ["", speech.say("to_come")]
    lines += [_plain(line, speech) for line in morning.to_come] or [speech.say("nothing_due")]
    return "\n".join([*lines, "", told["link"], told["made"], told["times"], ""])


def _plain(line: Line, speech: Speech) -> str:
    parts = [line.due, line.title, speech.state(line.state), line.took, _short(line.did)]
    return f"{line.glyph} {' · '.join(part for part in parts if part)}"


def _short(text: str) -> str:
    return visible(" ".join(text[:600].split())[:200])
