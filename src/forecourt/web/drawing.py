"""Small drawings as SVG: lines, strips and bars. Their colours come from classes, so they are right
in both themes and in print.
"""

from collections import Counter
from collections.abc import Sequence

from markupsafe import Markup, escape

from forecourt.durations import duration
from forecourt.language import comma, direction, listed, lookup, marked
from forecourt.language import gettext as _
from forecourt.store.tick_history import Run, Tick

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


def runs(last: Sequence[Run | Tick], most: int = 30) -> Markup:
    """The last runs as bars as high as they took long, the failed ones full; for those who cannot
    see it, as a sentence. What stands out says when it was: the others, of which a page may have
    thousands, are one shape.
    """
    width, height = most * 5, 20
    seconds = [run.seconds or 0.0 for run in last]
    longest = max([*seconds, 0.001])
    middle = sorted(seconds)[len(seconds) // 2] if seconds else 0.0
    usual, others = [], []
    for n, (run, lasted) in enumerate(zip(last, seconds, strict=True), most - len(last)):
        if run.status != "succeeded":
            others.append(_bar(run, n * 5, height, height))
            continue
        tall = round(height * (0.35 + 0.65 * lasted / longest))
        if lasted > 2 * middle:
            others.append(_bar(run, n * 5, tall, height))
        else:
            usual.append(f"M{n * 5} {height}v-{tall}h4v{tall}")
    counts = Counter(run.status for run in last)
    words = listed(f"{count} {lookup(status)}" for status, count in counts.items())
    label = _("The last %(count)s runs: %(states)s", count=len(last), states=words)
    return Markup(
        f'<svg class="mirror" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img"'
        f' aria-label="{escape(label)}"><path class="f-done" d="{"".join(usual)}"/>{"".join(others)}</svg>'
    )


def _bar(run: Run | Tick, x: int, tall: int, height: int, wide: int = 4) -> str:
    took = f"{comma()}{duration(run.seconds)}" if run.seconds is not None else ""
    title = f"{run.due_at.isoformat(' ', 'minutes')[:16]} UTC: {escape(lookup(run.status))}{took}"
    return (
        f'<rect class="f-{COLOURS.get(run.status, "running")}" x="{x}" y="{height - tall}" width="{wide}" height="{tall}" rx="1">'
        f"<title>{title}</title></rect>"
    )


def durations(last: Sequence[Tick], usual: float, slow: float) -> Markup:
    """How long each of the last runs took, oldest first: a line at what half of them did not
    exceed, a broken one at what 95 of 100 did not. The table of the runs says the same.
    """
    width, height = 1160, 110
    step = width / len(last)
    scale = (height - 10) / max([*(run.seconds or 0.0 for run in last), 0.001])
    bars = "".join(
        _bar(run, round(n * step), max(2, round(scale * run.seconds)), height, max(1, round(step * 0.7)))
        for n, run in enumerate(last)
        if run.seconds is not None
    )
    lines = "".join(
        f'<line class="now" x2="{width}" y1="{height - scale * at:.1f}" y2="{height - scale * at:.1f}"{dashes}/>'
        for at, dashes in ((usual, ""), (slow, ' stroke-dasharray="6 5"'))
    )
    label = _("How long the last %(count)s runs took", count=len(last))
    return Markup(
        f'<svg class="night mirror" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">'
        f"{bars}{lines}</svg>"
    )


def nights(counts: Sequence[int]) -> Markup:
    """How many calls failed on each of the last days, oldest first."""
    width, height, top = len(counts) * 6, 18, max([*counts, 1])
    bars = "".join(
        f'<rect class="f-{"failed" if count else "waiting"}" x="{n * 6}" width="4" rx="1"'
        f' y="{height - (tall := 2 if not count else 5 + 13 * count / top):.1f}" height="{tall:.1f}"/>'
        for n, count in enumerate(counts)
    )
    label = _("Calls by day, today last: %(counts)s", counts=listed(f"{count:,}" for count in counts))
    return Markup(
        f'<svg class="mirror" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img"'
        f' aria-label="{escape(label)}">{bars}</svg>'
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
