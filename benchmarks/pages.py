"""The operator's pages on a fleet's database: what a page's first byte costs, and a poll that finds
nothing new; beside the least that either could cost, a page of Starlette's own over the same HTTP
and a bare SELECT over the same driver."""

import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
import psycopg
import uvicorn
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from benchmarks.ground import Ground
from benchmarks.jobs import nothing
from benchmarks.measure import Figures, Row, Scale, at_most
from forecourt import Forecourt, Timetable
from forecourt.store import coarser_minutes, retention
from forecourt.web.app import create_app
from forecourt.web.server import listen

DONE, READY, FAILED, WORKERS, TASKS = 3_000_000, 1_000_000, 100_000, 50, 500
SLOTS = 4
NIGHTS = 30
ASKED = 15

timetable = Timetable()
for n in range(TASKS):
    timetable.add(nothing, name=f"task-{n}", n=n).daily_at(f"{n * 24 // TASKS:02}:{n % 60:02}")
app = Forecourt(timetable)

PAGES = (
    "/", "/night", "/schedule", "/schedule/task-7", "/queues", "/queues/high", "/calls", "/calls?state=done", "/calls?state=failed",
    "/calls?state=ready&q=listing_id%3D77777", "/calls?state=done&q=listing_id%3D77777", "/failures", "/workers", "/performance",
    "/performance?period=6h", "/performance?period=24h", "/performance?period=7d", "/doctor", "/audit", "/settings",
    "/night?all=1", "/schedule?all=1",
)  # fmt: skip

FOR_PROGRAMS = (
    "/metrics", "/health", *(
        f"/api/v1/{name}"
        for name in ("overview", "night", "doctor", "queues", "calls?state=failed", "failures", "workers", "performance", "tasks")
    ),
)  # fmt: skip

FILL = (
    """
    INSERT INTO forecourt.done (id, worker, created_at, started_at, finished_at, attempts, outcome, job, queue, args, history)
    SELECT nextval('forecourt.call_ids'), 1 + n %% 50, at - interval '5 s', at - interval '2 s', at, 1, 'finished',
           'job_' || n %% 20, (ARRAY['high', 'medium', 'low'])[1 + n %% 3],
           jsonb_build_object('listing_id', n %% 100000, 'note', 'abc'), '[]'
    FROM generate_series(1, %(done)s) AS n, LATERAL (SELECT now() - n * interval '0.19 s') AS x (at)
    """,
    """
    INSERT INTO forecourt.ready (job, queue, args, ready_at)
    SELECT 'job_' || n %% 20, (ARRAY['high', 'medium', 'low'])[1 + n %% 3], jsonb_build_object('listing_id', n %% 100000),
           now() - interval '10 min'
    FROM generate_series(1, %(ready)s) AS n
    """,
    """
    INSERT INTO forecourt.failed (job, queue, args, attempts, history, error, message, failed_at, worker)
    SELECT 'job_' || n %% 20, (ARRAY['high', 'medium', 'low'])[1 + n %% 3], jsonb_build_object('listing_id', n), 3,
           jsonb_build_array(jsonb_build_object('outcome', 'Raised', 'traceback', repeat(md5(n::text), 30))),
           'Error' || n %% 7, 'something was wrong with ' || n, now() - n * interval '5 s', 1
    FROM generate_series(1, %(failed)s) AS n
    """,
    """
    INSERT INTO forecourt.workers (host, boot, pid, pid_started, slots, busy, queues, version, marks, started_at, beat_at)
    SELECT 'host-' || n, 'b', n, 's', 4, 2, ARRAY['high', 'medium', 'low'], '0.1.0', '', now() - interval '3 h',
           now() + interval '1 day'
    FROM generate_series(1, %(workers)s) AS n
    """,
    """
    INSERT INTO forecourt.running (job, queue, args, token, worker, claimed_at, started_at, deadline)
    SELECT 'job_' || n %% 20, 'high', '{}', n, w.id, now(), now() - interval '3 s', now() + interval '1 h'
    FROM forecourt.workers AS w, generate_series(1, 2) AS n
    """,
    # Two hours as the slots wrote them, and a week as it is left when they have been folded.
    """
    INSERT INTO forecourt.minutes (minute, worker, queue, job, finished, run_buckets, wait_buckets, run_seconds, wait_seconds)
    SELECT date_trunc('minute', now()) - m * interval '1 min', w * 512 + s, 'high', 'job_' || j, 5, '{0,0,1,2,1,0,0,0,0,0,0,0}',
           '{0,0,1,2,1,0,0,0,0,0,0,0}', 1, 1
    FROM generate_series(0, 119) AS m, generate_series(1, %(workers)s) AS w, generate_series(1, %(slots)s) AS s,
         generate_series(1, 8) AS j
    """,
    """
    INSERT INTO forecourt.minutes (minute, worker, queue, job, finished, run_buckets, wait_buckets, run_seconds, wait_seconds)
    SELECT date_trunc('minute', now()) - m * interval '1 min', 0, 'high', 'job_' || j, 5000, '{0,0,1,2,1,0,0,0,0,0,0,0}',
           '{0,0,1,2,1,0,0,0,0,0,0,0}', 1, 1
    FROM generate_series(120, 7 * 1440) AS m, generate_series(1, 8) AS j
    """,
    """
    INSERT INTO forecourt.ticks (task, due_at, claimed_at, started_at, finished_at, status, output)
    SELECT 'task-' || n, at, at, at, at + interval '4 s', 'succeeded', '{"rows": 12}'
    FROM generate_series(0, %(tasks)s - 1) AS n, generate_series(1, %(nights)s) AS d,
         LATERAL (
             SELECT date_trunc('day', now()) - d * interval '1 day' + (n * 24 / %(tasks)s) * interval '1 hour'
                    + n %% 60 * interval '1 minute'
         ) AS x (at)
    """,
)


def measure(ground: Ground, scale: Scale) -> list[Row]:
    """Milliseconds over HTTP, the middle of several requests of each page; the page that is slowest
    makes the row.
    """
    with ground.fresh("benchmarks.pages:app") as url:
        _fill(url, scale)
        with _served(create_app()) as address, _served(Starlette(routes=[Route("/", _bare)])) as bare:
            with httpx.Client(base_url=address, headers={"accept": "text/html"}, timeout=60) as client:
                client.get("/")
                pages = {path: _middle(lambda path=path: client.get(path)) for path in PAGES}
                polls = {path: _middle(_poll(client, path)) for path in PAGES}
                pages |= {path: _middle(lambda path=path: client.get(path)) for path in FOR_PROGRAMS}
            with httpx.Client(base_url=bare) as client, psycopg.connect(url, autocommit=True) as tx:
                least = _middle(lambda: client.get("/"))
                select = _middle(lambda: tx.execute("SELECT 1"))
    beside = f"a page of Starlette alone {least:.1f} ms, a SELECT alone {select:.2f} ms"
    return [_row("page's first byte", 100, pages, beside), _row("poll that finds nothing new", 20, polls, beside)]


def _row(what: str, limit: float, found: dict[str, float], beside: str) -> Row:
    slowest = sorted(found, key=found.__getitem__, reverse=True)
    told = ", ".join(f"{path} {found[path]:.0f}" for path in slowest[:6])
    middle = statistics.median(found.values())
    figures = Figures((found[slowest[0]],), " ms")
    return at_most(
        f"slowest {what}", limit, figures, f"of {len(found)} pages, in the middle {middle:.1f} ms: {told}; {beside}"
    )


def _fill(url: str, scale: Scale) -> None:
    sizes = {"done": scale.of(DONE), "ready": scale.of(READY), "failed": scale.of(FAILED)}
    sizes |= {"workers": scale.of(WORKERS), "slots": SLOTS, "tasks": scale.of(TASKS), "nights": NIGHTS}
    with psycopg.connect(url, autocommit=True) as tx:
        tx.execute("SET synchronous_commit = off")
        today = tx.execute(retention.TODAY).fetchall()[0][0]
        for ago in range(1, 7):
            tx.execute(retention.partition_of(today - timedelta(days=ago)))
        for statement in FILL:
            tx.execute(statement, sizes)
        while coarser_minutes.fold(tx):
            pass
        tx.execute("VACUUM ANALYZE")


def _poll(client: httpx.Client, path: str) -> Callable[[], object]:
    """Asks for what is there already. What the minute's turn makes new is asked for again."""
    headers = {"hx-request": "true"}
    tag = client.get(path, headers=headers, follow_redirects=True).headers.get("etag", "")

    def ask() -> None:
        nonlocal tag
        answer = client.get(path, headers=headers | {"if-none-match": tag})
        tag = answer.headers.get("etag", tag)

    return ask


def _middle(act: Callable[[], object]) -> float:
    took = []
    for _ in range(ASKED):
        begun = time.perf_counter()
        act()
        took.append(1000 * (time.perf_counter() - begun))
    return statistics.median(took)


async def _bare(_: object) -> HTMLResponse:
    return HTMLResponse("<!doctype html><title>A page</title><p>Nothing." * 20)


@contextmanager
def _served(what: Starlette) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(what, log_config=None, log_level="critical", lifespan="off", ws="none"))
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listen("127.0.0.1", port)]})
    serving.start()
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    serving.join()
