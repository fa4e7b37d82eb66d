"""Our figure beside those of many peers, in bearable time: each peer is measured once, the best ones in every round."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.measure import Figures, Scale, in_turn

FINALISTS = 2


@dataclass(frozen=True, slots=True)
class Contest:
    """What was measured. `best` is the peer whose median is the best, None when there is no peer; `beside` has what else was
    measured in each round."""

    ours: Sequence[float]
    theirs: Mapping[str, Sequence[float]]
    best: str | None
    beside: Sequence[float] = ()

    def listed(self, unit: str) -> str:
        """Every figure, for a row's detail."""
        found = [f"{name} {Figures(tuple(values), unit)}" for name, values in self.theirs.items()]
        return f"Forecourt {Figures(tuple(self.ours), unit)}; " + (", ".join(found) or "no peer is installed")


def contest(
    scale: Scale,
    ours: Callable[[], float],
    peers: Mapping[str, Callable[[], float]],
    *,
    least: bool = False,
    beside: Callable[[], float] | None = None,
) -> Contest:
    """Each peer once, then ours, the two best peers, and `beside` in turn, round by round. The best is the one with the most,
    or the least."""
    heats = {name: peer() for name, peer in peers.items()} if len(peers) > FINALISTS else dict.fromkeys(peers, 0.0)
    ranked = sorted(heats, key=lambda name: heats[name], reverse=not least)
    finalists = ranked[:FINALISTS]
    sides = [ours, *(peers[name] for name in finalists), *([beside] if beside else [])]
    mine, *others = in_turn(scale.rounds, *sides)
    finals = dict(zip(finalists, others, strict=False))
    choose = min if least else max
    best = choose(finals, key=lambda name: Figures(finals[name], "").median) if finals else None
    theirs = finals | {name: (heats[name],) for name in ranked[FINALISTS:]}
    return Contest(mine, theirs, best, others[-1] if beside else ())
