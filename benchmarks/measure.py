"""What a benchmark returns: figures with their spread, and rows that set what was reached beside
the goal.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.ground import Ground


@dataclass(frozen=True, slots=True)
class Figures:
    """One quantity, measured once a round. It prints as its median, with minimum and maximum."""

    values: tuple[float, ...]
    unit: str

    @property
    def median(self) -> float:
        """The figure to quote."""
        return statistics.median(self.values)

    def __str__(self) -> str:
        if len(self.values) == 1:
            return f"{_written(self.median)}{self.unit}"
        return f"{_written(self.median)}{self.unit} ({_written(min(self.values))} to {_written(max(self.values))})"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `met` is None where nothing could be compared; `detail` names both
    sides, with their figures. `sides` has the figures again, by name, for a picture."""

    work: str
    goal: str
    reached: str
    met: bool | None
    detail: str
    sides: Mapping[str, Figures] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured: so many rounds, and so much of the full size. `minutes`: how long the
    run without a pause takes.
    """

    rounds: int = 5
    part: float = 1.0
    minutes: float = 1.0

    def of(self, full: int) -> int:
        """This part of the full size, at least one."""
        return max(1, round(full * self.part))


Benchmark = Callable[[Ground, Scale], list[Row]]


def in_turn(rounds: int, *sides: Callable[[], float]) -> list[tuple[float, ...]]:
    """Each side once a round, one after the other, so that a machine whose speed drifts is unjust
    to none.
    """
    measured: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for figures, side in zip(measured, sides, strict=True):
            figures.append(side())
    return [tuple(figures) for figures in measured]


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Figures:
    """Ours over theirs, pair by pair."""
    return Figures(tuple(mine / other for mine, other in zip(ours, theirs, strict=True)), "×")


def at_least(work: str, goal: float, ratio: Figures, detail: str, than: str) -> Row:
    """A row whose goal is a ratio that must be reached."""
    return Row(work, f"≥ {goal:g} × {than}", str(ratio), ratio.median >= goal, detail)


def at_most(work: str, goal: float, figures: Figures, detail: str, than: str = "") -> Row:
    """A row whose goal is a figure that must not be exceeded, or a ratio to what `than` names."""
    limit = f"≤ {goal:g} × {than}" if than else f"≤ {goal:g}{figures.unit}"
    return Row(work, limit, str(figures), figures.median <= goal, detail)


def _written(figure: float) -> str:
    if abs(figure) >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.2f}" if abs(figure) < 10 else f"{figure:.1f}"
