"""What it costs to enter calls: one by one, in the caller's transaction, many at once, and from
SQL.
"""

import time
from functools import partial

from benchmarks import jobs
from benchmarks.contest import contest
from benchmarks.ground import Ground
from benchmarks.measure import Figures, Row, Scale, in_turn
from benchmarks.opponents import Peer, opponent, present
from benchmarks.ourselves import Ourselves, ourselves
from forecourt import database
from forecourt.app import load
from forecourt.database.connecting import connect

ONE_BY_ONE = 2_000
IN_ONE_TRANSACTION = 5_000
MANY = 10_000
A_SECOND = 150_000

FROM_SQL = "SELECT forecourt.dispatch('nothing', jsonb_build_object('n', %s::integer))"


def measure(ground: Ground, scale: Scale) -> list[Row]:
    """Calls entered a second by one process, while no worker runs."""

    def alone() -> float:
        with ourselves(ground) as queue:
            return queue.one_by_one("nothing", scale.of(ONE_BY_ONE))

    def theirs(peer: Peer) -> float:
        with opponent(ground, peer) as queue:
            return queue.one_by_one("nothing", scale.of(ONE_BY_ONE))

    peers = {peer.name: partial(theirs, peer) for peer in present(scale, on_postgres=True)}
    found = contest(scale, {"Forecourt": alone}, peers, "/s")
    first = found.beside_best("dispatch, one by one", 1, "Forecourt", "fastest PostgreSQL peer")
    with ourselves(ground) as queue:
        together, many, sql, again = (
            Figures(values, "/s")
            for values in in_turn(
                scale.rounds,
                lambda: _in_one_transaction(scale.of(IN_ONE_TRANSACTION)),
                lambda: _many(scale.of(MANY)),
                lambda: _from_sql(queue, scale.of(ONE_BY_ONE)),
                lambda: queue.one_by_one("nothing", scale.of(ONE_BY_ONE)),
            )
        )
    beside = f"one by one from Python, in the same rounds: {again}"
    return [
        first,
        Row(
            "dispatch in the caller's transaction",
            "",
            str(together),
            None,
            f"{scale.of(IN_ONE_TRANSACTION):,} calls a commit",
        ),
        Row(
            f"dispatch_many of {MANY:,}",
            f"≥ {A_SECOND:,}/s",
            str(many),
            many.median >= A_SECOND,
            "one statement, one commit",
        ),
        Row("dispatch from SQL, one by one", "", str(sql), None, beside),
    ]


def _in_one_transaction(count: int) -> float:
    begun = time.perf_counter()
    with database.session() as session:
        dispatch = jobs.nothing.using(session=session)
        for n in range(count):
            dispatch.dispatch(n=n)
    return count / (time.perf_counter() - begun)


def _many(count: int) -> float:
    calls = [{"n": n} for n in range(count)]
    begun = time.perf_counter()
    entered = jobs.nothing.dispatch_many(calls)
    seconds = time.perf_counter() - begun
    assert len(entered) == count
    return count / seconds


def _from_sql(queue: Ourselves, count: int) -> float:
    with connect(autocommit=True) as connection:
        load().declare(connection)
        begun = time.perf_counter()
        for n in range(count):
            connection.execute(FROM_SQL, (n,))
        return count / (time.perf_counter() - begun)
