"""What is asked of the queue besides the calls: a transaction that holds the xmin horizon, a
million calls that wait, a million that are not due, and a minute without a pause (ten with
`--minutes 10`). None of it may cost a tenth of the rate."""

import psycopg

from benchmarks.ground import Ground
from benchmarks.measure import Figures, Row, Scale, at_least, in_turn, ratios
from benchmarks.ourselves import Ourselves, ourselves

CALLS = 60_000
OTHERS = 1_000_000
PROCESSES = 2
GOAL = 0.9
READY = """
INSERT INTO forecourt.ready (job, queue, args)
SELECT 'nothing', 'default', jsonb_build_object('n', n)
FROM generate_series(1, %s) AS n
"""

SCHEDULED = """
INSERT INTO forecourt.scheduled (job, queue, args, run_at)
SELECT 'nothing', 'default', jsonb_build_object('n', n), now() + interval '1 day' + n * interval '1 s'
FROM generate_series(1, %s) AS n
"""

THIRDS = """
WITH span AS (
    SELECT min(finished_at) AS begun, max(finished_at) AS ended
    FROM forecourt.done
)
SELECT count(*) FILTER (WHERE finished_at < begun + (ended - begun) / 3) AS first,
       count(*) FILTER (WHERE finished_at >= begun + (ended - begun) * 2 / 3) AS last,
       count(*) AS calls,
       extract(epoch FROM max(ended) - min(begun))::float8 AS seconds
FROM forecourt.done, span
"""


def measure(ground: Ground, scale: Scale) -> list[Row]:
    """Each beside a plain run in the same round, and the last third of a minute beside its
    first.
    """
    calls, others = scale.of(CALLS), scale.of(OTHERS)

    def plain() -> float:
        with ourselves(ground) as queue:
            return _rate(queue, calls)

    def with_horizon_held() -> float:
        with ourselves(ground) as queue, psycopg.connect(queue.url) as holding:
            holding.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            holding.execute("SELECT FROM forecourt.ready")
            return _rate(queue, calls)

    # The others stay from round to round: entering a million of them takes longer than what is
    # measured.
    with ourselves(ground) as waiting, ourselves(ground) as later:
        _enter(waiting, READY, others)
        _enter(later, SCHEDULED, others)
        bare, *loaded = in_turn(
            scale.rounds, plain, with_horizon_held, lambda: _rate(waiting, calls), lambda: _rate(later, calls)
        )
    against = f"against {Figures(bare, '/s')} without"
    works = (
        "no-op jobs while a transaction holds the xmin horizon",
        f"no-op jobs with {others:,} other calls waiting",
        f"no-op jobs with {others:,} calls in the future",
    )
    rows = [
        at_least(work, GOAL, ratios(rates, bare), f"{Figures(rates, '/s')} {against}", "the plain run")
        for work, rates in zip(works, loaded, strict=True)
    ]
    return [*rows, _without_a_pause(ground, scale, Figures(bare, "/s").median)]


def _without_a_pause(ground: Ground, scale: Scale, rate: float) -> Row:
    """Half as many calls again as the plain run would get through."""
    seconds = max(2, scale.of(round(60 * scale.minutes)))
    with ourselves(ground) as queue:
        _enter(queue, READY, round(1.5 * rate * seconds))
        queue.worked_off(PROCESSES, "--stop-when-empty", "--max-time", str(seconds), within=seconds + 60)
        with psycopg.connect(queue.url) as connection:
            first, last, calls, took = connection.execute(THIRDS).fetchall()[0]
    ratio = Figures((last / first,), "×")
    detail = f"{calls:,} calls in {took:.1f} s: {first * 3 / took:,.0f}/s at first, {last * 3 / took:,.0f}/s at last"
    return at_least(f"no-op jobs, the last third of {seconds} s", GOAL, ratio, detail, "its first third")


def _rate(queue: Ourselves, calls: int) -> float:
    """Calls a second of a worker that stops after so many, which are entered behind those that wait
    already.
    """
    _enter(queue, READY, calls)
    done, seconds = queue.worked_off(PROCESSES, "--max-jobs", str(calls))
    assert done >= calls, f"{done} of {calls} calls"
    return done / seconds


def _enter(queue: Ourselves, statement: str, count: int) -> None:
    with psycopg.connect(queue.url, autocommit=True) as connection:
        connection.execute(statement.encode(), (count,))
