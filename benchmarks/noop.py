"""Calls that do nothing, from the first execution to the last acknowledgement, with two worker
processes.

Ours leave a row each in `done`. Most peers delete what is done; who keeps it says so in its
settings.
"""

from functools import partial

from benchmarks import raw_loop
from benchmarks.contest import contest
from benchmarks.ground import Ground
from benchmarks.measure import Row, Scale
from benchmarks.opponents import PEERS, Peer, absent, opponent, present
from benchmarks.ourselves import ourselves
from benchmarks.peers import environment
from benchmarks.queues import drained

CALLS = 100_000
PROCESSES = 2
RAW = "raw SQL"


def measure(ground: Ground, scale: Scale) -> list[Row]:
    """Beside every peer, in every round, and beside a loop in SQL that executes nothing."""
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
    python = [peer.name for peer in peers if peer.language == "Python"]
    sides = {peer.name: partial(theirs, peer) for peer in peers}
    found = contest(scale, {"Forecourt": ours, RAW: raw}, sides, "/s", finalists=len(peers))
    said = (
        [f"Valkey: {environment.VALKEY}"]
        + [f"{name}: {settings[name]}" for name in settings]
        + [f"{name} is absent: {why}" for name, why in absent().items()]
    )
    return [
        found.beside_best("no-op jobs", 1.2, "Forecourt"),
        found.beside_best("no-op jobs beside queues in Python", 2.2, "Forecourt", "fastest Python peer", python),
        found.beside(
            "no-op jobs beside a bare loop in SQL",
            0.6,
            "Forecourt",
            RAW,
            "it claims and deletes 100 rows at a time and runs nothing",
        ),
        Row("the peers' settings", "", f"{len(peers)} of {len(PEERS)}", None, "; ".join(said)),
    ]
