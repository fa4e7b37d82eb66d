"""Our figures beside those of many peers, in bearable time: each peer is measured once, the best
ones in every round.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from benchmarks.measure import Figures, Row, Scale, at_least, in_turn, ratios

FINALISTS = 2

Side = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Contest:
    """What was measured, by name: `ours` and `finalists` in turn in every round, the `others` once
    before.
    """

    ours: Mapping[str, Figures]
    finalists: Mapping[str, Figures]
    others: Mapping[str, Figures]
    least: bool = False

    @property
    def peers(self) -> dict[str, Figures]:
        """All of them, the best first."""
        found = {**self.finalists, **self.others}
        return dict(sorted(found.items(), key=lambda each: each[1].median, reverse=not self.least))

    def best(self, among: Collection[str] | None = None) -> str | None:
        """The finalist with the best median, of these; None when there is no such peer."""
        return next((name for name in self.peers if name in self.finalists and (among is None or name in among)), None)

    def ratio(self, name: str, other: str) -> Figures:
        """One of ours over another of ours or a finalist, round by round."""
        sides = {**self.finalists, **self.ours}
        return ratios(sides[name].values, sides[other].values)

    def sides(self, *names: str) -> dict[str, Figures]:
        """These of ours, or all, and then every peer."""
        return {**{name: self.ours[name] for name in names or self.ours}, **self.peers}

    def listed(self, *names: str) -> str:
        """Every figure of these sides."""
        mine = ", ".join(f"{name} {self.ours[name]}" for name in names or self.ours)
        others = ", ".join(f"{name} {figures}" for name, figures in self.peers.items())
        return f"{mine}; {others or 'no peer is installed'}"

    def beside_best(
        self, work: str, goal: float, name: str, called: str = "fastest peer", among: Collection[str] | None = None
    ) -> Row:
        """A row that sets one of ours beside the best peer, of these."""
        detail, sides, best = self.listed(name), self.sides(name), self.best(among)
        if best is None:
            return Row(work, f"≥ {goal:g} × the {called}", "no peer", None, detail, sides)
        return replace(at_least(work, goal, self.ratio(name, best), detail, f"the {called}, {best}"), sides=sides)

    def beside_best_without_goal(self, work: str, name: str) -> Row:
        """The same, only to be known."""
        best = self.best()
        reached = f"{self.ratio(name, best)} {best}" if best else "no peer"
        return Row(work, "", reached, None, self.listed(name), self.sides(name))

    def beside(self, work: str, goal: float, name: str, other: str, what: str = "") -> Row:
        """A row that sets one of ours beside another of ours."""
        detail = f"{self.ours[name]} against {self.ours[other]}" + (f": {what}" if what else "")
        return at_least(work, goal, self.ratio(name, other), detail, other)


def contest(
    scale: Scale,
    ours: Mapping[str, Side],
    peers: Mapping[str, Side],
    unit: str,
    *,
    least: bool = False,
    finalists: int = FINALISTS,
) -> Contest:
    """Each peer once, then all of ours and the best peers in turn, round by round. The best have
    the most, or the least.
    """
    heats = {name: peer() for name, peer in peers.items()} if len(peers) > finalists else dict.fromkeys(peers, 0.0)
    ranked = sorted(heats, key=lambda name: heats[name], reverse=not least)
    named = {**ours, **{name: peers[name] for name in ranked[:finalists]}}
    measured = in_turn(scale.rounds, *named.values())
    found = {name: Figures(values, unit) for name, values in zip(named, measured, strict=True)}
    return Contest(
        {name: found[name] for name in ours},
        {name: found[name] for name in ranked[:finalists]},
        {name: Figures((heats[name],), unit) for name in ranked[finalists:]},
        least,
    )
