"""A job with one UPDATE, committed together with the call's end, so exactly once.

Beside the PostgreSQL peers with as many processes and connections, whose UPDATE and acknowledgement
are two commits and which so promise less, and beside a bare loop that commits the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from benchmarks import bare_loop
from benchmarks.contest import contest
from benchmarks.ground import Ground
from benchmarks.measure import Row, Scale
from benchmarks.opponents import Peer, opponent, present
from benchmarks.ourselves import ourselves
from benchmarks.queues import drained

CALLS = 4_000
LISTINGS = 1_000
"""So many that calls which are committed together seldom meet those of another slot."""

BARE = "a bare loop"


@dataclass(frozen=True, slots=True)
class Way:
    """A way to write such a job. `calls` take a second or two; `goals` are times the fastest peer,
    by the number of slots.
    """

    name: str
    work: str
    job: str
    calls: int
    goals: Mapping[int, float]


SESSION = Way("Forecourt, session", "a job with a session", "update", CALLS, {2: 0.75, 8: 1.2})
CONNECTION = Way("Forecourt, connection", "a job with a connection", "update_by_connection", CALLS, {2: 0.95, 8: 1.4})
SESSIONS_TOGETHER = Way(
    "Forecourt, session ×50", "jobs with a session in groups", "update_together", 4 * CALLS, {2: 3, 8: 3}
)
CONNECTIONS_TOGETHER = Way(
    "Forecourt, connection ×50",
    "jobs with a connection in groups",
    "update_by_connection_together",
    4 * CALLS,
    {2: 3, 8: 3},
)
WAYS = (SESSION, CONNECTION, SESSIONS_TOGETHER, CONNECTIONS_TOGETHER)


def measure(ground: Ground, scale: Scale) -> list[Row]:
    """With two processes, and with eight."""
    return [row for slots in (2, 8) for row in _rows(ground, scale, slots)]


def _rows(ground: Ground, scale: Scale, slots: int) -> list[Row]:
    def ours(way: Way) -> float:
        calls = scale.of(way.calls)
        with ourselves(ground, listings=LISTINGS) as queue:
            rate = queue.drained(way.job, calls, slots)
            assert queue.views() == calls, f"{queue.views()} of {calls} updates"
        return rate

    def theirs(peer: Peer) -> float:
        count = scale.of(peer.updates // 2)
        with opponent(ground, peer, connections=1, listings=LISTINGS) as queue:
            rate = drained(queue, "increment_views", count, slots)
            assert queue.views() == count, f"{peer.name}: {queue.views()} of {count} updates"
        return rate

    def bare() -> float:
        with ourselves(ground, listings=LISTINGS) as queue:
            return bare_loop.rate(queue.url, scale.of(CALLS), slots, LISTINGS)

    sides = {way.name: partial(ours, way) for way in WAYS}
    peers = {peer.name: partial(theirs, peer) for peer in present(scale, on_postgres=True)}
    found = contest(scale, {**sides, BARE: bare}, peers, "/s")
    what = f"psycopg, two statements and their commit; with a session {found.ratio(SESSION.name, BARE)} of it"
    return [
        *(
            found.beside_best(
                f"{way.work}, one UPDATE, {slots} slots", way.goals[slots], way.name, "fastest PostgreSQL peer"
            )
            for way in WAYS
        ),
        found.beside(f"{CONNECTION.work}, one UPDATE, {slots} slots", 0.75, CONNECTION.name, BARE, what),
    ]
