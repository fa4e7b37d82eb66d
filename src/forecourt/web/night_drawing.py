"""The night as a drawing: duties by hours; what ran as bars, what is to come as rings with what is expected, now as a line."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from markupsafe import Markup, escape

from forecourt.store.tick_history import Tick
from forecourt.visible import visible
from forecourt.web import words
from forecourt.web.drawing import COLOURS
from forecourt.web.nights import Duty, Span

LEFT, RIGHT, WIDTH, ROW, TOP = 190, 30, 1160, 22, 22
GLYPHS = {"succeeded": "✓", "failed": "✕", "skipped": "▲", "missed": "▲", "cancelled": "–", "enqueued": "●"}


def night(found: Sequence[Duty], over: Span, now: datetime) -> Markup:
    """The drawing, with a sentence that says the same in short."""
    bottom = TOP + len(found) * ROW + 6
    parts = [*_grid(over, bottom)]
    if over.first <= now < over.last:
        at = _x(now, over)
        parts.append(f'<rect class="veil" x="{at:.1f}" y="8" width="{WIDTH - RIGHT - at:.1f}" height="{bottom - 8}"/>')
    for n, duty in enumerate(found):
        parts += _row(duty, TOP + n * ROW + 8, over, now)
    if over.first <= now < over.last:
        at = _x(now, over)
        parts.append(f'<line class="now" x1="{at:.1f}" x2="{at:.1f}" y1="4" y2="{bottom + 4}"/>')
        parts.append(f'<text class="nowword" x="{at + 5:.1f}" y="12">now</text>')
    label = escape(summary(found, now))
    return Markup(
        f'<svg class="night" viewBox="0 0 {WIDTH} {bottom + 24}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    )


def summary(found: Sequence[Duty], now: datetime) -> str:
    """ "Eight duties: five done, one running, two to come." in figures."""
    stands: dict[str, int] = {}
    for duty in found:
        stands[duty.standing(now)] = stands.get(duty.standing(now), 0) + 1
    told = ", ".join(f"{count} {'under way' if name == 'enqueued' else name}" for name, count in stands.items())
    return f"{words.some(len(found), 'duty', 'duties')}: {told}." if found else "No duty is due."


def _grid(over: Span, bottom: int) -> Iterator[str]:
    hours = round((over.last - over.first).total_seconds() / 3600)
    step = 1 if hours <= 12 else 2
    for hour in range(0, hours + 1, step):
        at = LEFT + (WIDTH - LEFT - RIGHT) * hour / hours
        yield f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="8" y2="{bottom}"/>'
        yield f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{hour % 24:02}:00</text>'


def _row(duty: Duty, y: int, over: Span, now: datetime) -> Iterator[str]:
    name = visible(duty.task.name.replace("_", " "))
    shown = name if len(name) <= 28 else f"{name[:27]}…"
    yield f'<text class="name" x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(shown)}</text>'
    if duty.often:
        for run in _apart(duty.runs, over):
            size = 1.6 if run.status == "succeeded" else 3
            place = f'cx="{_x(run.due_at, over):.1f}" cy="{y}" r="{size}"'
            yield f'<circle class="f-{_colour(run)}" {place}>{_title(run, duty)}</circle>'
        return
    for n, run in enumerate(duty.runs):
        begin = _x(max(run.started_at or run.due_at, over.first), over)
        end = _x(run.finished_at or (now if run.status == "enqueued" else run.due_at), over)
        wide = max(6.0, min(end, WIDTH - RIGHT) - begin)
        place = f'x="{begin:.1f}" y="{y - 6}" width="{wide:.1f}" height="12" rx="3"'
        yield f'<rect class="f-{_colour(run)}" {place}>{_title(run, duty)}</rect>'
        if n == len(duty.runs) - 1 and not duty.to_come:
            yield _words(f"{GLYPHS.get(run.status, '')} {_said(run)}", begin, wide, y, _colour(run))
    for n, instant in enumerate(duty.to_come):
        at = _x(instant, over)
        yield f'<circle class="ring{" late" if duty.pause else ""}" cx="{at:.1f}" cy="{y}" r="4.5"/>'
        if n == len(duty.to_come) - 1:
            yield _words("‖ paused" if duty.pause else duty.expected, at, 4, y, "late" if duty.pause else "")


def _apart(runs: Sequence[Tick], over: Span) -> Iterator[Tick]:
    """Those of a pulse that can be told apart on the drawing, and all that went wrong."""
    last = -1.0
    for run in runs:
        at = _x(run.due_at, over)
        if at - last >= 6 or run.status not in ("succeeded", "enqueued"):
            last = at
            yield run


def _words(text: str, x: float, wide: float, y: int, colour: str) -> str:
    shown = visible(text if len(text) <= 60 else f"{text[:59]}…")
    tone = f' class="t-{colour}"' if colour in ("late", "failed") else ""
    if x > WIDTH * 0.7:
        return f'<text{tone} x="{x - 8:.1f}" y="{y + 4}" text-anchor="end">{escape(shown)}</text>'
    return f'<text{tone} x="{x + wide + 8:.1f}" y="{y + 4}">{escape(shown)}</text>'


def _said(run: Tick) -> str:
    return " ".join((run.why or words.did(run.output) or ("runs" if run.status == "enqueued" else "")).split())


def _title(run: Tick, duty: Duty) -> str:
    due = run.due_at.astimezone(duty.task.zone)
    return f"<title>{escape(visible(f'{duty.task.name}, due {due:%H:%M}: {run.status} {_said(run)[:200]}'))}</title>"


def _colour(run: Tick) -> str:
    return COLOURS.get(run.status, "running")


def _x(instant: datetime, over: Span) -> float:
    share = (instant - over.first).total_seconds() / (over.last - over.first).total_seconds()
    return LEFT + (WIDTH - LEFT - RIGHT) * min(1.0, max(0.0, share))
