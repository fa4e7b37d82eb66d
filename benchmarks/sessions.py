"""A job with a session and one UPDATE, committed together with the call's end, so exactly once.

Beside the PostgreSQL peers with as many processes and connections, whose UPDATE and acknowledgement are two commits and
which so promise less, and beside a bare loop that commits the same.
"""

from functools import partial

from benchmarks import bare_loop
from benchmarks.contest import contest
from benchmarks.ground import Ground
from benchmarks.measure import Figures, Row, Scale, at_least, ratios
from benchmarks.opponents import Peer, opponent, present
from benchmarks.ourselves import ourselves
from benchmarks.queues import drained

CALLS = 4_000


def measure(ground: Ground, scale: Scale) -> list[Row]:
    """With two processes, and with eight."""
    return [row for processes in (2, 8) for row in _rows(ground, scale, processes)]


def _rows(ground: Ground, scale: Scale, processes: int) -> list[Row]:
    calls = scale.of(CALLS)

    def ours() -> float:
        with ourselves(ground) as queue:
            rate = queue.drained("update", calls, processes)
            assert queue.views() == calls, f"{queue.views()} of {calls} updates"
        return rate

    def theirs(peer: Peer) -> float:
        count = scale.of(peer.updates // 2)
        with opponent(ground, peer, connections=1) as queue:
            rate = drained(queue, "increment_views", count, processes)
            assert queue.views() == count, f"{peer.name}: {queue.views()} of {count} updates"
        return rate

    def bare() -> float:
        with ourselves(ground) as queue:
            return bare_loop.rate(queue.url, calls, processes)

    work = f"a job with a session and one UPDATE, {processes} slots"
    peers = present(scale, on_postgres=True)
    found = contest(scale, ours, {peer.name: partial(theirs, peer) for peer in peers}, beside=bare)
    if found.best is None:
        beside = Row(work, "≥ 1 × the fastest PostgreSQL peer", "no peer", None, found.listed("/s"))
    else:
        beside = at_least(work, 1, ratios(found.ours, found.theirs[found.best]), found.listed("/s"), found.best)
    figures = Figures(tuple(found.ours), "/s"), Figures(tuple(found.beside), "/s")
    detail = f"{figures[0]} against {figures[1]}: psycopg, two statements and their commit"
    return [beside, at_least(work, 0.7, ratios(found.ours, found.beside), detail, "a bare loop")]
