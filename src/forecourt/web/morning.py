"""The morning's mail: what is wrong now, each duty of the last day, what was late, slow beside its
own history or failed, and what the next day will bring. Of what it cannot know it says so, or
nothing."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from forecourt.alerts.naming import called
from forecourt.app import load
from forecourt.doctor.check import House, Result
from forecourt.doctor.examination import examine
from forecourt.durations import duration
from forecourt.language import comma, direction, language, listed, lookup, marked, some, speaking
from forecourt.language import gettext as _
from forecourt.process import hostname
from forecourt.settings import settings
from forecourt.store import failure_kinds, outcomes
from forecourt.store.failure_kinds import Kind
from forecourt.web import words
from forecourt.web.dates import day, short_weekday
from forecourt.web.nights import Duty, Span, beside_history, duties
from forecourt.web.readable import readable
from forecourt.web.templating import environment

DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)
JUST_NOW = timedelta(minutes=5)

FEW = 4
"""Runs a day of one task that are told one by one."""

WRONG_NOW = marked("wrong now")

UNKNOWN = marked("not known")

WORST_FIRST = (
    "failed",
    "missed",
    UNKNOWN,
    "late",
    "skipped",
    "slow",
    "cancelled",
    "paused",
    "running",
    "enqueued",
    "done",
)

GLYPHS = {"done": "✓", "failed": "✕", "missed": "✕", UNKNOWN: "?", "running": "…", "enqueued": "…", "to come": "○"}
"""All others want a look: ▲."""

TONES = {"✓": "good", "✕": "bad", "…": "plain", "○": "plain"}


@dataclass(frozen=True, slots=True)
class Line:
    """A run of a duty, or what is to be said of it instead. `state` as the pages name it; `due`,
    `took` and `did` in words, empty where nothing is known."""

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
        return TONES.get(self.glyph, "look")

    @property
    def stands(self) -> str:
        """The state in the reader's language."""
        return lookup(self.state)


@dataclass(frozen=True, slots=True)
class Morning:
    """What the mail tells."""

    at: datetime
    ran: Sequence[Line]
    to_come: Sequence[Line]
    failures: Sequence[Kind]
    wrong: Sequence[Result]


def compose(tx: Connection[Any], at: datetime, reader: str) -> tuple[str, str, str]:
    """Subject, text and HTML of the report about the day before `at`, in the reader's language."""
    with speaking(reader):
        morning = _gathered(tx, at)
        facts = {
            "m": morning,
            "language": language(),
            "direction": direction(),
            "since": _time(at - DAY, at),
            "link": f"{settings().base_url}/night",
            "made": _("Written at %(time)s by %(host)s.", time=_time(at, at), host=hostname()),
            "times": _("Times are those of %(zone)s.", zone=settings().timezone),
            "title": _("The night of %(day)s", day=day(at)),
            "sum": _sum(morning),
            "called": called,
        }
        html = environment().get_template("mail/morning.html").render(facts)
        return f"{facts['title']}: {facts['sum']}", _text(morning, facts), html


def _gathered(tx: Connection[Any], at: datetime) -> Morning:
    app = load()
    over = Span(at.astimezone(settings().zone).date(), at - DAY, at + DAY)
    found = beside_history(tx, duties(tx, app.schedule(tx), over, at), over)
    since = outcomes.known_since(tx)
    ran = [line for duty in found for line in _ran(duty, at, since.get(duty.task.name))]
    return Morning(
        at=at,
        ran=sorted(ran, key=lambda line: WORST_FIRST.index(line.state) if line.state in WORST_FIRST else 0),
        to_come=[line for duty in found if len(duty.to_come) <= FEW and not duty.often for line in _to_come(duty, at)],
        failures=failure_kinds.kinds(tx, since=at - DAY, until=at, limit=10),
        wrong=[result for result in examine(House(tx, app, at)) if result.status != "ok"][:10],
    )


def _ran(duty: Duty, at: datetime, since: datetime | None) -> Iterator[Line]:
    title = _title(duty)
    past = [run for run in duty.runs if run.due_at <= at]
    if len(past) > FEW:
        bad = [run for run in past if run.status not in ("succeeded", "enqueued")]
        did = some(len(past), "run", "runs")
        if bad:
            did += comma() + _("%(count)s not well", count=len(bad))
        yield Line(title, "failed" if len(bad) == len(past) else "late" if bad else "done", did=did)
        past = bad[-FEW:]
    for run in past:
        state = duty.standing(at) if run is duty.latest else "slow" if duty.is_slow(run) else run.status
        state = "done" if state == "succeeded" else state
        took = "" if run.seconds is None else duration(run.seconds)
        if state == "slow" and duty.usual is not None:
            usually = _("usually %(time)s", time=duration(duty.usual))
            took += f" ({usually})"
        yield Line(title, state, _time(run.due_at, at), took, run.why or words.did(run.output))
    if since is not None and duty.task.one_server and not duty.often:
        seen = {run.due_at for run in duty.runs}
        for due in duty.task.occurrences(max(since, at - DAY) - MOMENT, at - JUST_NOW):
            if due not in seen:
                yield Line(title, UNKNOWN, _time(due, at), did=_("It was due, and there is no trace of a run."))


def _to_come(duty: Duty, at: datetime) -> Iterator[Line]:
    expected = _("%(what)s expected", what=duty.expected) if duty.expected else ""
    for due in duty.to_come:
        yield Line(_title(duty), "paused" if duty.pause else "to come", _time(due, at), did=expected)


def _title(duty: Duty) -> str:
    return words.described(duty.task) or duty.task.name


def _time(at: datetime, today: datetime) -> str:
    """The time on the business zone's clocks, with the day of the week if it is another than
    `today`'s.
    """
    local = at.astimezone(settings().zone)
    if local.date() == today.astimezone(settings().zone).date():
        return f"{local:%H:%M}"
    return f"{short_weekday(local)} {local:%H:%M}"


def _sum(morning: Morning) -> str:
    counts = Counter(line.state for line in morning.ran)
    facts = [f"{lookup(state)} {counts[state]:,}" for state in WORST_FIRST if counts[state]]
    if failing := sum(result.status == "fail" for result in morning.wrong):
        facts = [f"{lookup(WRONG_NOW)} {failing}", *facts]
    well = not set(counts) - {"done", "running", "enqueued"} and not morning.failures and not morning.wrong
    return listed([_("all well"), *facts] if well else facts or [_("Nothing ran.")])


def _text(morning: Morning, facts: dict[str, Any]) -> str:
    lines = [facts["title"], facts["sum"], "", _("What is wrong now")]
    lines += [_wrong(result) for result in morning.wrong] or [_("Every check is well.")]
    lines += ["", _("What ran since %(time)s", time=facts["since"])]
    lines += [_plain(line) for line in morning.ran] or [_("Nothing ran.")]
    if morning.failures:
        lines += ["", _("Calls that failed")]
        lines += [
            f"✕ {_short(kind.error)} · {kind.job} · {some(kind.calls, 'call', 'calls')}: {_short(kind.message)}"
            for kind in morning.failures
        ]
    lines += ["", _("The next 24 hours")]
    lines += [_plain(line) for line in morning.to_come] or [_("Nothing is due.")]
    return "\n".join([*lines, "", facts["link"], facts["made"], facts["times"], ""])


def _wrong(result: Result) -> str:
    words = f"{'✕' if result.status == 'fail' else '▲'} {_short(called(result.name))}: {_short(result.found)}"
    return f"{words}\n  {_short(result.advice)}" if result.advice else words


def _plain(line: Line) -> str:
    parts = [line.due, line.title, line.stands, line.took, _short(line.did)]
    return f"{line.glyph} {' · '.join(part for part in parts if part)}"


def _short(text: str) -> str:
    return readable(" ".join(text[:600].split())[:200])
