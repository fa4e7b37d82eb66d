"""Small drawings as SVG: lines, strips and bars. Their colours come from classes, so they are right
in both themes and in print.
"""

from collections.abc import Sequence

from markupsafe import Markup, escape

from forecourt.durations import duration
from forecourt.language import comma, direction, listed, lookup, marked
from forecourt.language import gettext as _
from forecourt.store.tick_history import Tick

COLOURS = {
    marked("succeeded"): "done",
    marked("failed"): "failed",
    marked("skipped"): "late",
    marked("missed"): "late",
    marked("cancelled"): "waiting",
}


def line(values: Sequence[float], late: bool = False, width: int = 110, height: int = 24) -> Markup:
    """A sparkline of at least two values, from 0 up. It decorates: what it says stands beside it in
    figures.
    """
    top = max([*values, 1])
    step = width / max(1, len(values) - 1)
    points = " ".join(f"{n * step:.1f},{height - 2 - value / top * (height - 4):.1f}" for n, value in enumerate(values))
    return Markup(
        f'<svg class="spark mirror" width="{width}" height="{height}" viewBox="0 0 {width} {height}" aria-hidden="true">'
        f'<polyline class="line{" late" if late else ""}" points="{points}"/></svg>'
    )


def runs(last: Sequence[Tick], most: int = 30) -> Markup:
    """The last runs as bars as high as they took long, the failed ones full; for those who cannot
    see it, as a sentence.
    """
    width, height = most * 5, 20
    seconds = [run.seconds for run in last]
    longest = max([*(took or 0 for took in seconds), 0.001])
    bars = []
    offset = width - len(last) * 5
    named = {status: escape(lookup(status)) for status in {run.status for run in last}}
    between = comma()
    for n, (run, lasted) in enumerate(zip(last, seconds, strict=True)):
        colour = COLOURS.get(run.status, "running")
        tall = height * (0.35 + 0.65 * (lasted or 0) / longest if run.status == "succeeded" else 1.0)
        took = f"{between}{duration(lasted)}" if lasted is not None else ""
        title = f"{run.due_at.isoformat(' ', 'minutes')[:16]} UTC: {named[run.status]}{took}"
        bars.append(
            f'<rect class="f-{colour}" x="{offset + n * 5}" y="{height - tall:.1f}" width="4"'
            f' height="{tall:.1f}" rx="1"><title>{title}</title></rect>'
        )
    words = listed(
        f"{sum(run.status == status for run in last)} {lookup(status)}"
        for status in dict.fromkeys(run.status for run in last)
    )
    told = _("The last %(count)s runs: %(states)s", count=len(last), states=words)
    return Markup(
        f'<svg class="mirror" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img"'
        f' aria-label="{escape(told)}">{"".join(bars)}</svg>'
    )


def nights(counts: Sequence[int]) -> Markup:
    """How many calls failed on each of the last days, oldest first."""
    width, height, top = len(counts) * 6, 18, max([*counts, 1])
    bars = "".join(
        f'<rect class="f-{"failed" if count else "waiting"}" x="{n * 6}" width="4" rx="1"'
        f' y="{height - (tall := 2 if not count else 5 + 13 * count / top):.1f}" height="{tall:.1f}"/>'
        for n, count in enumerate(counts)
    )
    told = _("Calls by day, today last: %(counts)s", counts=listed(f"{count:,}" for count in counts))
    return Markup(
        f'<svg class="mirror" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img"'
        f' aria-label="{escape(told)}">{bars}</svg>'
    )


def histogram(counts: Sequence[int], labels: Sequence[str], words: str) -> Markup:
    """Bars with their bounds below; `words` say what they show."""
    width, height, top = 1160, 150, max([*counts, 1])
    step = width / len(counts)
    bars = []
    for n, (count, label) in enumerate(zip(counts, labels, strict=True)):
        tall = 0 if not count else max(2, (height - 34) * count / top)
        left = width - (n + 1) * step if direction() == "rtl" else n * step
        middle = left + step / 2
        bars.append(
            f'<rect class="bar" x="{left + 4:.1f}" y="{height - 18 - tall:.1f}" width="{step - 8:.1f}"'
            f' height="{tall:.1f}" rx="2"/>'
            f'<text x="{middle:.1f}" y="{height - 4}" text-anchor="middle">{escape(label)}</text>'
            + (
                f'<text x="{middle:.1f}" y="{height - 22 - tall:.1f}" text-anchor="middle">{count:,}</text>'
                if count
                else ""
            )
        )
    return Markup(
        f'<svg class="night" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(words)}">{"".join(bars)}</svg>'
    )
