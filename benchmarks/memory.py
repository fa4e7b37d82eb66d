"""Memory of four worker processes and whatever starts them: idle, beside the peers, and after a
hundred thousand calls.

Proportional set size: a page that processes share counts once among them. All have run every slot
before, so that nothing is left to be loaded. The servers (PostgreSQL, Valkey) are not counted.
"""

from dataclasses import replace
from functools import partial

from benchmarks.contest import Contest, contest
from benchmarks.ground import Ground
from benchmarks.measure import Figures, Row, Scale, at_most
from benchmarks.opponents import Peer, opponent, present
from benchmarks.ourselves import Ourselves, ourselves
from benchmarks.queues import Queue, warmed

PROCESSES = 4
WARM = 60
CALLS = 100_000
MOST = 95
BELOW = ("Dramatiq", "RQ", "Procrastinate", "Celery", "PgQueuer", "Taskiq")


def measure(ground: Ground, scale: Scale) -> list[Row]:
    """MB, and how much more of them after so many calls."""

    def ours() -> float:
        with ourselves(ground) as queue:
            return _idle(queue)

    def theirs(peer: Peer) -> float:
        with opponent(ground, peer) as queue:
            return _idle(queue)

    work = f"memory of an idle worker, {PROCESSES} slots"
    peers = {peer.name: partial(theirs, peer) for peer in present(scale)}
    found = contest(scale, {"Forecourt": ours}, peers, " MB", least=True)
    detail = f"{found.listed()}; PSS, a page that is shared counts once"
    idle = replace(at_most(work, MOST, found.ours["Forecourt"], detail), sides=found.sides())
    with ourselves(ground) as queue:
        growth, detail = _growth(queue, scale.of(CALLS))
    return [
        idle,
        _below(work, found),
        at_most(f"memory after {scale.of(CALLS):,} calls", 1.1, Figures((growth,), "×"), detail),
    ]


def _below(work: str, found: Contest) -> Row:
    """How many of these peers need more."""
    ours = found.ours["Forecourt"].median
    named = {name: found.peers[name] for name in BELOW if name in found.peers}
    above = [name for name, theirs in named.items() if theirs.median > ours]
    met = len(above) == len(named) if named else None
    detail = (
        ", ".join(f"{name} {ours / theirs.median:.2f}×" for name, theirs in named.items()) or "no peer is installed"
    )
    return Row(f"{work}, beside peers", f"below {', '.join(BELOW)}", f"{len(above)} of {len(named)}", met, detail)


def _idle(queue: Queue) -> float:
    with queue.workers(PROCESSES) as workers:
        warmed(queue, workers, WARM)
        return workers.memory()


def _growth(queue: Ourselves, calls: int) -> tuple[float, str]:
    """Of a worker that has done a tenth of the calls, while it did the others."""
    with queue.workers(PROCESSES) as workers:
        warmed(queue, workers, max(calls // 10, WARM))
        before = workers.memory()
        warmed(queue, workers, calls)
        after = workers.memory()
    return after / before, f"{before:.1f} MB after a tenth of them, {after:.1f} MB after all"
