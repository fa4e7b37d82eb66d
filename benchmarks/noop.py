"""Calls that do nothing, from the first execution to the last acknowledgement, with two worker processes."""

from functools import partial

from benchmarks import raw_loop
from benchmarks.ground import Ground
from benchmarks.measure import Figures, Row, Scale, at_least, in_turn, ratios
from benchmarks.opponents import PEERS, Peer, absent, opponent, present
from benchmarks.ourselves import ourselves
from benchmarks.peers import environment
from benchmarks.queues import drained

CALLS = 100_000
PROCESSES = 2


def measure(ground: Ground, scale: Scale) -> list[Row]:
    """Beside every peer, and beside a loop in SQL that executes nothing."""
    settings: dict[str, str] = {}

    def ours() -> float:
        with ourselves(ground) as queue:
            return queue.drained("nothing", scale.of(CALLS), PROCESSES)

    def raw() -> float:
        with ground.empty() as url:
            return raw_loop.rate(url, scale.of(CALLS), PROCESSES)

    def theirs(peer: Peer) -> float:
        with opponent(ground, peer) as queue:
            settings[peer.name] = queue.settings
            return drained(queue, "nothing", scale.of(peer.nothings), PROCESSES)

    peers = present(scale)
    mine, loop, *others = in_turn(scale.rounds, ours, raw, *(partial(theirs, peer) for peer in peers))
    rows = [
        at_least(
            "no-op jobs beside a bare loop in SQL",
            0.6,
            ratios(mine, loop),
            f"{Figures(mine, '/s')} against {Figures(loop, '/s')}, which claims and deletes 100 rows at a time and runs nothing",
            "raw SQL",
        )
    ]
    rates = {peer.name: Figures(found, "/s") for peer, found in zip(peers, others, strict=True)}
    if rates:
        fastest = max(rates, key=lambda name: rates[name].median)
        listed = ", ".join(f"{name} {rates[name]}" for name in sorted(rates, key=lambda name: -rates[name].median))
        detail = f"Forecourt {Figures(mine, '/s')}; {listed}"
        rows.insert(0, at_least("no-op jobs", 10, ratios(mine, rates[fastest].values), detail, fastest))
    said = (
        [f"Valkey: {environment.VALKEY}"]
        + [f"{name}: {settings[name]}" for name in settings]
        + [f"{name} is absent: {why}" for name, why in absent().items()]
    )
    return [*rows, Row("the peers' settings", "", f"{len(peers)} of {len(PEERS)}", None, "; ".join(said))]
