"""The peers side by side, as a picture for the README: `python -m benchmarks.picture` draws it anew
from what was kept.

Each bar is the median of its rounds, the line on it reaches from the slowest to the fastest round.
The picture has its own ground, so that it can be read on a light page and on a dark one, whatever
the page around it thinks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from benchmarks import results
from benchmarks.measure import Figures
from benchmarks.results import Results

PICTURE = Path(__file__).parents[1] / "docs" / "benchmark.svg"

HEADLINE = "Forecourt beside other job queues"

WIDTH = 960
MARGIN = 32
GAP = 48
HEAD = 96
TITLE = 58
BAR = 15
STEP = 23
LABEL = 178
FIGURE = 62
FOOT = 84
COLUMN = (WIDTH - 2 * MARGIN - GAP) // 2
LONGEST = COLUMN - LABEL - FIGURE

STYLE = """
.ground { fill: #ffffff; stroke: #d8dee4 }
text { font: 13px -apple-system, BlinkMacSystemFont, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; fill: #1f2328 }
.head { font-size: 22px; font-weight: 600 }
.title { font-size: 15px; font-weight: 600 }
.quiet { font-size: 12px; fill: #59636e }
.name { fill: #59636e }
.ours { font-weight: 600; fill: #1f2328 }
.figure { font-variant-numeric: tabular-nums }
.bar { fill: #c3cbd4 }
.bar.ours { fill: #0f7b6c }
.bar.bare { fill: none; stroke: #8c959f; stroke-dasharray: 3 2 }
.span { stroke: #57606a; stroke-width: 1.5 }
.cut { stroke: #ffffff; stroke-width: 3 }
@media (prefers-color-scheme: dark) {
  .ground { fill: #0d1117; stroke: #30363d }
  text, .ours { fill: #e6edf3 }
  .quiet, .name { fill: #9198a1 }
  .name.ours { fill: #e6edf3 }
  .bar { fill: #3d444d }
  .bar.ours { fill: #2ea391 }
  .bar.bare { fill: none; stroke: #7d8590 }
  .span { stroke: #c9d1d9 }
  .cut { stroke: #0d1117 }
}
"""


@dataclass(frozen=True, slots=True)
class Panel:
    """What a part of the picture shows: all sides of the rows of this benchmark whose work ends
    so.
    """

    title: str
    measure: str
    benchmark: str
    ending: str
    least: bool = False

    def sides(self, found: Results) -> dict[str, Figures]:
        """By name, the best first; nothing when it was not measured."""
        rows = found.benchmarks[self.benchmark].rows if self.benchmark in found.benchmarks else ()
        sides = {name: side for row in rows if row.work.endswith(self.ending) for name, side in row.sides.items()}
        return dict(sorted(sides.items(), key=lambda each: each[1].median, reverse=not self.least))


PANELS = (
    Panel("Calls that do nothing", "calls a second, 2 worker processes", "noop", "no-op jobs"),
    Panel(
        "Calls with one UPDATE",
        "calls a second, 8 worker processes; ×50 share a commit",
        "exactly_once",
        "one UPDATE, 8 slots",
    ),
    Panel("From the dispatch to the first line", "milliseconds, an idle worker", "latency", "beside peers", least=True),
    Panel("Memory of an idle worker", "MB, 4 processes and their parents", "memory", "4 slots", least=True),
)


def draw(found: Results) -> None:
    """Write the picture of what was measured of it."""
    panels = {panel: sides for panel in PANELS if (sides := panel.sides(found))}
    if panels:
        PICTURE.write_text(_picture(found, panels))


def _picture(found: Results, panels: Mapping[Panel, dict[str, Figures]]) -> str:
    parts: list[str] = []
    top = HEAD
    shown = list(panels.items())
    for pair in (shown[start : start + 2] for start in range(0, len(shown), 2)):
        for column, (panel, sides) in enumerate(pair):
            parts += _panel(panel, sides, MARGIN + column * (COLUMN + GAP), top)
        top += TITLE + STEP * max(len(sides) for _, sides in pair) + 26
    height = top + FOOT - 26
    rounds = max(len(side.values) for sides in panels.values() for side in sides.values())
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">',
        f"<title>{HEADLINE}</title>",
        f"<desc>{escape(_described(panels))}</desc>",
        f"<style>{STYLE}</style>",
        f'<rect class="ground" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="10"/>',
        _text(MARGIN, 44, HEADLINE, "head"),
        _text(MARGIN, 68, "Measured in turn on one machine, each queue with the settings that it recommends", "quiet"),
    ]
    foot = [
        f"Median of {rounds} rounds, the line from the slowest to the fastest. Peers far from the best were measured once.",
        "PostgreSQL commits durably, Valkey flushes its log every second. An UPDATE by Forecourt takes effect exactly once, "
        "by the others at least once.",
        f"{found.at.split()[0]}, {found.machine.split(' with ')[0]}. All figures and settings: benchmarks/RESULTS.md",
    ]
    parts += [_text(MARGIN, height - 56 + 18 * line, said, "quiet") for line, said in enumerate(foot)]
    return "\n".join([*head, *parts, "</svg>", ""])


def _described(panels: Mapping[Panel, dict[str, Figures]]) -> str:
    """For those who do not see it."""
    said = []
    for panel, sides in panels.items():
        figures = ", ".join(f"{name} {_written(side.median)}" for name, side in sides.items())
        said.append(f"{panel.title} ({panel.measure}): {figures}.")
    return " ".join(said)


def _panel(panel: Panel, sides: Mapping[str, Figures], left: int, top: int) -> list[str]:
    better = "less is better" if panel.least else "more is better"
    parts = [
        _text(left, top + 18, panel.title, "title"),
        _text(left, top + 37, f"{panel.measure} · {better}", "quiet"),
    ]
    end = _end([side.median for side in sides.values()])
    for place, (name, side) in enumerate(sides.items()):
        parts += _bar(name, side, end, left, top + TITLE + STEP * place)
    return parts


def _end(figures: Sequence[float]) -> float:
    """Where the longest bar ends. A figure that would leave no room for the others is cut off."""
    *others, longest = sorted(figures)
    return others[-1] * 1.25 if others and longest > 4 * others[-1] else longest


def _bar(name: str, side: Figures, end: float, left: int, top: int) -> list[str]:
    kind = "ours" if name.startswith("Forecourt") else "bare" if "bare" in name else ""
    begin, middle = left + LABEL, top + BAR / 2
    length = max(LONGEST * min(side.median / end, 1), 1.5)
    parts = [
        _text(left, middle + 4.5, name, f"name {kind}"),
        f'<rect class="bar {kind}" x="{begin}" y="{top}" width="{length:.1f}" height="{BAR}" rx="2"/>',
    ]
    after = begin + length
    if side.median > end:
        cut = begin + length - 22
        parts += [
            f'<line class="cut" x1="{cut + shift}" y1="{top + BAR + 2}" x2="{cut + shift + 6}" y2="{top - 2}"/>'
            for shift in (0, 7)
        ]
    elif len(side.values) > 1:
        first, last = (begin + LONGEST * min(value / end, 1.05) for value in (min(side.values), max(side.values)))
        if last - first > 2:
            parts.append(f'<line class="span" x1="{first:.1f}" y1="{middle}" x2="{last:.1f}" y2="{middle}"/>')
        after = max(after, last)
    return [*parts, _text(after + 7, middle + 4.5, _written(side.median), f"figure {kind}")]


def _written(figure: float) -> str:
    return f"{figure:.1f}" if figure < 20 else f"{figure:,.0f}"


def _text(x: float, y: float, said: str, kind: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind.strip()}">{escape(said)}</text>'


if __name__ == "__main__":
    if kept := results.kept():
        draw(kept)
