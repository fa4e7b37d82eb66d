"""The night as a drawing: duties by hours; what ran as bars, what is to come as rings with what is
expected, now as a line.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from markupsafe import Markup, escape

from forecourt.language import direction, listed, lookup, marked, some
from forecourt.language import gettext as _
from forecourt.store.tick_history import Tick
from forecourt.web import words
from forecourt.web.dates import minute
from forecourt.web.drawing import COLOURS
from forecourt.web.nights import Duty, Span
from forecourt.web.readable import readable

LEFT, RIGHT, WIDTH, ROW, TOP = 190, 30, 1160, 22, 22
UNDER_WAY = marked("under way")
GLYPHS = {"succeeded": "✓", "failed": "✕", "skipped": "▲", "missed": "▲", "cancelled": "–", marked("enqueued"): "●"}


def night(found: Sequence[Duty], over: Span, now: datetime) -> Markup:
    """The drawing, with a sentence that says the same in short."""
    bottom = TOP + len(found) * ROW + 6
    parts = [*_grid(over, bottom)]
    if over.first <= now < over.last:
        at = _x(now, over)
        left, wide = _between(at, _x(over.last, over))
        parts.append(f'<rect class="veil" x="{left:.1f}" y="8" width="{wide:.1f}" height="{bottom - 8}"/>')
        parts.append(f'<line class="now" x1="{at:.1f}" x2="{at:.1f}" y1="4" y2="{bottom + 4}"/>')
        now_word = escape(_("now"))
        parts.append(f'<text class="nowword" x="{at + 5 * _forward():.1f}" y="12">{now_word}</text>')
    for n, duty in enumerate(found):
        parts += _row(duty, TOP + n * ROW + 8, over, now)
    label = escape(summary(found, now))
    return Markup(
        f'<svg class="night" viewBox="0 0 {WIDTH} {bottom + 24}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    )


def summary(found: Sequence[Duty], now: datetime) -> str:
    """ "Eight duties: five done, one running, two to come." in figures."""
    stands: dict[str, int] = {}
    for duty in found:
        stands[duty.standing(now)] = stands.get(duty.standing(now), 0) + 1
    states = listed(_counted(name, count) for name, count in stands.items())
    return f"{some(len(found), 'duty', 'duties')}: {states}." if found else _("No duty is due.")


def _counted(standing: str, count: int) -> str:
    word = lookup(UNDER_WAY if standing == "enqueued" else standing)
    return f"{word} {count}" if direction() == "rtl" else f"{count} {word}"


def _grid(over: Span, bottom: int) -> Iterator[str]:
    hours = (over.last - over.first) // timedelta(hours=1)
    step = 1 if hours <= 12 else 2
    for hour in range(0, hours + 1, step):
        instant = over.first + timedelta(hours=hour)
        at = _x(instant, over)
        yield f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="8" y2="{bottom}"/>'
        yield f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{minute(instant)}</text>'


def _row(duty: Duty, y: int, over: Span, now: datetime) -> Iterator[str]:
    name = readable(duty.task.name.replace("_", " "))
    shown = name if len(name) <= 26 else f"{name[:25]}…"
    anchor = "start" if direction() == "rtl" else "end"  # a name runs from left to right in any language
    yield f'<text class="name" x="{_side(LEFT - 12):.1f}" y="{y + 4}" direction="ltr" text-anchor="{anchor}">{escape(shown)}</text>'
    if duty.often:
        for run in _apart(duty.runs, over):
            size = 1.6 if run.status == "succeeded" else 3
            place = f'cx="{_x(run.due_at, over):.1f}" cy="{y}" r="{size}"'
            yield f'<circle class="f-{_colour(run)}" {place}>{_title(run, duty)}</circle>'
        return
    for n, run in enumerate(duty.runs):
        begin = _x(max(run.started_at or run.due_at, over.first), over)
        end = _x(run.finished_at or (now if run.status == "enqueued" else run.due_at), over)
        left, wide = _between(begin, end, least=6.0)
        place = f'x="{left:.1f}" y="{y - 6}" width="{wide:.1f}" height="12" rx="3"'
        yield f'<rect class="f-{_colour(run)}" {place}>{_title(run, duty)}</rect>'
        if n == len(duty.runs) - 1 and not duty.to_come:
            yield _words(f"{GLYPHS.get(run.status, '')} {_said(run)}", begin, wide, y, _colour(run))
    for n, instant in enumerate(duty.to_come):
        at = _x(instant, over)
        yield f'<circle class="ring{" late" if duty.pause else ""}" cx="{at:.1f}" cy="{y}" r="4.5"/>'
        if n == len(duty.to_come) - 1:
            yield _words(f"‖ {_('paused')}" if duty.pause else duty.expected, at, 4, y, "late" if duty.pause else "")


def _apart(runs: Sequence[Tick], over: Span) -> Iterator[Tick]:
    """Those of a pulse that can be states apart on the drawing, and all that went wrong."""
    last = float("inf")
    for run in runs:
        at = _x(run.due_at, over)
        if abs(at - last) >= 6 or run.status not in ("succeeded", "enqueued"):
            last = at
            yield run


def _words(text: str, x: float, wide: float, y: int, colour: str) -> str:
    shown = readable(text if len(text) <= 60 else f"{text[:59]}…")
    tone = f' class="t-{colour}"' if colour in ("late", "failed") else ""
    step = _forward()
    if _side(x) > WIDTH * 0.7:
        return f'<text{tone} x="{x - 8 * step:.1f}" y="{y + 4}" text-anchor="end">{escape(shown)}</text>'
    return f'<text{tone} x="{x + (wide + 8) * step:.1f}" y="{y + 4}">{escape(shown)}</text>'


def _said(run: Tick) -> str:
    return " ".join((run.why or words.did(run.output) or (_("runs") if run.status == "enqueued" else "")).split())


def _title(run: Tick, duty: Duty) -> str:
    due = run.due_at.astimezone(duty.task.zone)
    label = _("%(task)s, due %(time)s: %(state)s", task=duty.task.name, time=f"{due:%H:%M}", state=lookup(run.status))
    return f"<title>{escape(readable(f'{label} {_said(run)[:200]}'))}</title>"


def _colour(run: Tick) -> str:
    return COLOURS.get(run.status, "running")


def _x(instant: datetime, over: Span) -> float:
    share = (instant - over.first).total_seconds() / (over.last - over.first).total_seconds()
    return _side(LEFT + (WIDTH - LEFT - RIGHT) * min(1.0, max(0.0, share)))


def _side(x: float) -> float:
    """The place of something on the drawing, which is mirrored where one reads from right to
    left.
    """
    return WIDTH - x if direction() == "rtl" else x


def _forward() -> int:
    """The direction in which time goes."""
    return -1 if direction() == "rtl" else 1


def _between(begin: float, end: float, least: float = 0.0) -> tuple[float, float]:
    """Left edge and width of what lasts from one place to another."""
    wide = max(least, abs(end - begin))
    return (begin - wide if direction() == "rtl" else begin), wide
