"""Failed calls by kind: as many of the latest as are asked for are looked at, and no other."""

from datetime import UTC, datetime, timedelta

from fleet import Looking
from forecourt.store import failure_kinds

FAIL = """
INSERT INTO forecourt.failed (job, queue, error, message, failed_at)
VALUES (%s, %s, %s, %s, now() - %s::interval)
RETURNING id
"""


def test_kinds_are_counted_by_day_among_the_latest_to_the_exact_call(looking: Looking) -> None:
    tx = looking.connection
    long = "E" * 500
    with tx.transaction():  # so that now() is one instant, at which several calls have failed
        for job, queue, error, ago in (
            ("sweep", "low", "ValueError", "10 days"),
            ("sweep", "low", "ValueError", "25 hours"),
            ("sweep", "high", "ValueError", "0 s"),
            ("sweep", "high", "ValueError", "0 s"),
            ("mail", "high", long + "x", "2 hours"),
            ("mail", "high", long + "y", "1 hour 1 min"),
        ):
            tx.execute(FAIL, (job, queue, error, "was wrong", ago))
        first = tx.execute("SELECT min(id) FROM forecourt.failed").fetchall()[0][0]
        sweep, mail = failure_kinds.kinds(tx)
        assert (sweep.job, sweep.calls, sweep.hour, sweep.day, sweep.week, sweep.sample) == (
            "sweep",
            4,
            2,
            2,
            3,
            first + 3,
        )
        assert sweep.nights == {"0": 2, "1": 1, "7": 1}
        assert (mail.error, mail.calls, mail.hour, mail.nights) == (long, 2, 0, {"0": 2}), "errors are cut alike"
        latest = [(kind.job, kind.calls) for kind in failure_kinds.kinds(tx, most=1)]
        assert latest == [("sweep", 1)], "of two at one instant only the newer one"
        assert [kind.calls for kind in failure_kinds.kinds(tx, most=4)] == [2, 2]
        assert [kind.calls for kind in failure_kinds.kinds(tx, queue="low")] == [2]
        assert [kind.calls for kind in failure_kinds.kinds(tx, queue="low", most=1)] == [1]
        now = tx.execute("SELECT now()").fetchall()[0][0]
        older = failure_kinds.kinds(tx, since=now - timedelta(days=2), until=now - timedelta(minutes=90))
        assert [(kind.job, kind.calls) for kind in older] == [("mail", 1), ("sweep", 1)]
        assert failure_kinds.kinds(tx, since=datetime(9999, 1, 1, tzinfo=UTC)) == []
