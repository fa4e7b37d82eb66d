"""A marketplace in the middle of its night, as rows: thirty nights behind it, one queue behind, a
few failures, three workers.
"""

import json
from datetime import datetime, timedelta

import psycopg

from forecourt.marketplace.timetable import timetable

OUTPUTS = {
    "expire_sponsored_listings": {"expired": 225, "notifications": 200},
    "expire_featured_listings": {"expired": 100},
    "aggregate_daily_analytics": {"days": 1, "events": 4500},
    "archive_old_analytics": {"events": 28_417, "bytes": 812_345},
    "cleanup_soft_deleted": {"listings": 150, "photos": 1_204},
    "generate_sitemap": {"addresses": 4_112, "bytes": 402_000},
    "notify_low_wallet_balance": {"notified": 18},
    "sweep_storage": {"uploads": 3, "photos": 12, "unfinished": 1},
    "fail_lost_mails": {"failed": 0},
    "count_recorded_views": {"views": 41, "listings": 17},
    "remind_of_ending_sponsorships": {"ending": 12, "reminded": 12},
    "notify_emptied_wallets": {"emptied": 2, "notified": 1, "already_told": 1},
    "send_digests": {"digests": 4},
    "aggregate_hourly_analytics": {"days": 1, "listings": 312, "rows_written": 4, "events": 2_210},
    "announce_changes": {"urls": 0},
    "heartbeat": None,
}

EACH_MINUTE = ("heartbeat", "count_recorded_views")

TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/.venv/lib/python3.13/site-packages/forecourt/marketplace/pictures.py", line 151, in opened
    picture.load()
  File "/srv/shop/.venv/lib/python3.13/site-packages/PIL/ImageFile.py", line 402, in load
    raise OSError(_get_oserror(err_code, encoder=False))
forecourt.marketplace.pictures.BadPicture: photo 3 of 8: the JPEG file ends early
"""


def set_scene(tx: psycopg.Connection, *, live_workers: bool = True) -> dict[str, int]:
    """Fill an empty database. Returns the ids of calls that tests look at, by what they are."""
    now = tx.execute("SELECT now()").fetchone()[0]
    _declare(tx)
    _ticks(tx, now)
    workers = _workers(tx) if live_workers else [1, 2, 3]
    ids = _calls(tx, workers)
    _minutes(tx, now, workers[0])
    tx.execute("INSERT INTO forecourt.clocks (host, heartbeat) VALUES ('night-1', true)")
    tx.execute(
        "INSERT INTO forecourt.audit (at, who, action, target, count) VALUES"
        " (now() - interval '3 hours', 'anna (command line)', 'queue retry', '{\"ids\": [12, 13]}', 2),"
        " (now() - interval '1 hour', 'omar (web)', 'queue pause', '{\"queue\": \"low\", \"why\": \"mail server moves\"}', NULL)"
    )

    return ids


def _declare(tx: psycopg.Connection) -> None:
    from forecourt.app import load

    load("forecourt.marketplace.app:app").declare(tx)


def _ticks(tx: psycopg.Connection, now: datetime) -> None:
    rows: list[tuple[object, ...]] = []
    for task in timetable:
        first = now - (timedelta(hours=4) if task.name in EACH_MINUTE else timedelta(days=31))
        for n, due in enumerate(task.occurrences(first, now)):
            bad = task.name == "cleanup_soft_deleted" and n == 9
            output = OUTPUTS.get(task.name, {"done": 1})
            seconds = 3 + n % 5 if output else 0.02
            rows.append(
                (
                    task.name, due, due, due + timedelta(seconds=0.2), due + timedelta(seconds=0.2 + seconds),
                    "failed" if bad else "succeeded",
                    "OSError: [Errno 28] No space left on device" if bad else None,
                    None if bad or output is None else json.dumps({name: value + n if value > 10 else value for name, value in output.items()}),
                )
            )  # fmt: skip
    tx.cursor().executemany(
        "INSERT INTO forecourt.ticks (task, due_at, claimed_at, started_at, finished_at, status, why, output)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        rows,
    )


def _workers(tx: psycopg.Connection) -> list[int]:
    return [
        tx.execute(
            "INSERT INTO forecourt.workers (host, boot, pid, pid_started, slots, busy, queues, version, marks, started_at, beat_at)"
            " VALUES (%s, 'b', %s, 's', 4, 4, %s, '0.1.0', '', now() - %s * interval '7 hours', now() + interval '1 hour')"
            " RETURNING id",
            (f"night-{n}", 4000 + n, ["high", "medium", "low", "default"], n),
        ).fetchone()[0]
        for n in (1, 2, 3)
    ]


def _calls(tx: psycopg.Connection, workers: list[int]) -> dict[str, int]:
    tx.execute(
        "INSERT INTO forecourt.ready (job, queue, args, ready_at, created_at)"
        " SELECT 'process_car_images', 'high', jsonb_build_object('listing_id', n), now() - interval '4 minutes', now() - interval '4 minutes'"
        " FROM generate_series(1, 1204) AS n"
    )
    tx.execute(
        "INSERT INTO forecourt.ready (job, queue, args) SELECT 'increment_views_count', 'medium', jsonb_build_object('listing_id', n)"
        " FROM generate_series(1, 38) AS n"
    )
    tx.execute(
        "INSERT INTO forecourt.scheduled (job, queue, args, run_at)"
        " SELECT 'send_sponsorship_expired_notification', 'low', jsonb_build_object('listing_id', n), now() + n * interval '5 minutes'"
        " FROM generate_series(1, 41) AS n"
    )
    running = 0
    for n in range(12):
        running = tx.execute(
            "INSERT INTO forecourt.running (job, queue, args, token, worker, claimed_at, started_at, deadline)"
            " VALUES ('process_car_images', 'high', %s, %s, %s, now() - %s, now() - %s, now() - %s + interval '120 s') RETURNING id",
            (json.dumps({"listing_id": 500 + n}), n, workers[n % 3], *[timedelta(seconds=3 + 9 * n)] * 3),
        ).fetchone()[0]
    tx.execute(
        "INSERT INTO forecourt.progress (call_id, done, total, words) VALUES (%s, 5, 8, 'photo 5 of 8')", (running,)
    )
    now = tx.execute("SELECT now()").fetchone()[0]
    attempt = {
        "outcome": "Raised", "attempt": 1, "at": (now - timedelta(minutes=6)).isoformat(), "seconds": 2.4, "error": "BadPicture",
        "message": "photo 3 of 8: the JPEG file ends early", "traceback": TRACEBACK, "host": "night-1", "pid": 4711,
        "log": ["INFO listing 42: 8 photos, 12.4 MB", "WARNING photo 3 of 8: the JPEG file ends early"],
    }  # fmt: skip
    failed = [
        tx.execute(
            "INSERT INTO forecourt.failed (job, queue, args, attempts, history, error, message, failed_at, created_at, ready_at, worker)"
            " VALUES ('process_car_images', 'high', %s, 2, %s, 'BadPicture', 'photo 3 of 8: the JPEG file ends early',"
            " now() - %s, now() - %s - interval '5 minutes', now(), %s) RETURNING id",
            (json.dumps({"listing_id": 42 + n, "photos": ["a.jpg", "b.jpg"]}), json.dumps([attempt, attempt | {"attempt": 2, "at": (now - timedelta(minutes=4 + n)).isoformat()}]),
             timedelta(minutes=4 + n), timedelta(minutes=4 + n), workers[0]),
        ).fetchone()[0]
        for n in range(2)
    ]  # fmt: skip
    tx.execute(
        "INSERT INTO forecourt.failed (job, queue, args, attempts, history, error, message, failed_at, worker)"
        " VALUES ('deliver_mail', 'low', '{\"to\": 7}', 3, '[]', 'TimedOut', 'killed after its timeout of 30 s', now() - interval '1 hour', %s)",
        (workers[1],),
    )
    tx.execute(
        "INSERT INTO forecourt.failed (job, queue, args, attempts, history, error, message, failed_at, worker)"
        " SELECT 'deliver_mail', 'low', '{\"to\": 8}', 3, '[]', 'ConnectionRefusedError', '[Errno 111] Connection refused',"
        " now() - n * interval '17 hours', %s FROM generate_series(1, 9) AS n",
        (workers[1],),
    )
    done = tx.execute(
        "INSERT INTO forecourt.done (id, worker, created_at, started_at, finished_at, attempts, outcome, job, queue, args, history, result)"
        " SELECT nextval('forecourt.call_ids'), %s, now() - n * interval '1 minute', now() - n * interval '1 minute',"
        " now() - n * interval '1 minute' + interval '2 s', 1, 'finished', 'increment_views_count', 'medium',"
        " jsonb_build_object('listing_id', n), '[]', '{\"counted\": 12}' FROM generate_series(1, 80) AS n RETURNING id",
        (workers[0],),
    ).fetchone()[0]
    ready = tx.execute("SELECT min(id) FROM forecourt.ready").fetchone()[0]
    return {"failed": failed[0], "running": running, "done": done, "ready": ready}


def _minutes(tx: psycopg.Connection, now: datetime, worker: int) -> None:
    buckets = "ARRAY[0,0,2,8,14,5,1,0,0,0,0,0]::bigint[]"
    for queue, job, base in (
        ("high", "process_car_images", 40), ("medium", "increment_views_count", 90), ("low", "deliver_mail", 6),
    ):  # fmt: skip
        tx.execute(
            "INSERT INTO forecourt.minutes (minute, worker, queue, job, finished, failed, run_seconds, wait_seconds, run_buckets, wait_buckets)"
            " SELECT date_trunc('minute', now()) - n * interval '1 minute', %s, %s, %s, %s + (n * 7) %% 11 + n / 3, CASE WHEN n %% 29 = 0 THEN 1 ELSE 0 END,"
            f" 22, 4, {buckets}, {buckets} FROM generate_series(0, 180) AS n",
            (worker, queue, job, base),
        )
