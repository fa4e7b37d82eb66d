"""What a standby takes off the primary, and how far it is behind: a sitemap and a ranking, read
from the primary and from a real standby that streams from it.

    PYTHONPATH=tests python -m benchmarks.replica

Both servers share the cores of one machine: it is the primary's CPU that is compared, not the time.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from sqlalchemy import create_engine, make_url
from sqlalchemy.orm import Session

from benchmarks.market import have_listings
from benchmarks.worker import family_cpu
from forecourt import database
from forecourt.database.postmaster import Postmaster
from forecourt.database.replica import reading
from forecourt.database.schema import upgrade
from forecourt.marketplace import rankings
from forecourt.marketplace.sitemap import generate_sitemap
from forecourt.settings import settings
from standby import Pair, pair, wait_for

LISTINGS = 300_000
DAYS = 30
ROUNDS = 5
COMMITS = 200

STATS = """
    INSERT INTO car_listing_daily_stats (car_listing_id, date, total_views, unique_visitors, total_events)
    SELECT id, current_date - day, id %% 50, id %% 20, id %% 50
    FROM car_listings, generate_series(0, %s) AS day
    WHERE id %% 10 = 0
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, pair(durable=True) as servers:
        os.environ |= {
            "FORECOURT_VAR": folder,
            "FORECOURT_DATABASE_URL": servers.primary,
            "FORECOURT_BASE_URL": "https://cars.example",
        }
        _fill(servers)
        print(f"{LISTINGS:,} listings, {LISTINGS * DAYS // 10:,} days of stats; medians of {ROUNDS}\n")
        print("| work | read from | CPU of the primary | CPU of the standby |\n| --- | --- | --- | --- |")
        for name, work in (("the sitemap", _sitemap), ("`analytics conversion`", _conversion)):
            for source in ("", servers.standby):
                primary, standby = zip(*[_cost(servers, source, work) for _ in range(ROUNDS)], strict=True)
                where = "the standby" if source else "the primary"
                print(f"| {name} | {where} | {_ms(primary)} | {_ms(standby)} |")
        print(f"\nFrom a commit until the standby shows it: {_lag(servers)}")
        database.forget_engine()


def _fill(servers: Pair) -> None:
    made = create_engine(make_url(servers.primary).set(drivername="postgresql+psycopg"))
    upgrade(made)
    with Session(made) as session:
        have_listings(session, 1, LISTINGS)
        session.commit()
    made.dispose()
    with psycopg.connect(servers.primary, autocommit=True) as connection:
        connection.execute(STATS.encode(), (DAYS - 1,))
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
    servers.catch_up()


def _sitemap(folder: Path) -> None:
    for path in folder.glob("*"):
        path.unlink()
    generate_sitemap(force=True)


def _conversion(_folder: Path) -> None:
    with reading() as seen, Session(seen.connection) as tx:
        rankings.conversion(tx, "listing", days=DAYS, limit=20, zone="UTC")


def _cost(servers: Pair, source: str, work: Callable[[Path], None]) -> tuple[float, float]:
    """CPU seconds of both servers for one piece of work."""
    os.environ["FORECOURT_REPLICA_URL"] = source
    settings.cache_clear()
    database.forget_engine()
    servers.catch_up()
    pids = [Postmaster(one).pid() or 0 for one in (servers.first, servers.second)]
    before = [_cpu(pid) for pid in pids]
    work(settings().public)
    database.forget_engine()  # ended sessions are counted as well
    wait_for(lambda: not _sessions(servers.primary) and not _sessions(servers.standby))
    after = [_cpu(pid) for pid in pids]
    return after[0] - before[0], after[1] - before[1]


def _cpu(pid: int) -> float:
    """Seconds of a server, its ended sessions included, which the kernel counts in hundredths."""
    while True:
        of_ended = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[13:15]
        try:
            return family_cpu(pid) + sum(map(int, of_ended)) / os.sysconf("SC_CLK_TCK")
        except OSError:  # one of its processes has just ended
            pass


def _sessions(url: str) -> int:
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'forecourt'"
        ).fetchone()
    return found[0] if found else 0


def _lag(servers: Pair) -> str:
    took = []
    with (
        psycopg.connect(servers.primary, autocommit=True) as primary,
        psycopg.connect(servers.standby, autocommit=True) as standby,
    ):
        for id in range(1, COMMITS + 1):
            primary.execute("UPDATE car_listings SET views_count = views_count + 1 WHERE id = %s", (id,))
            begun = time.perf_counter()
            place = primary.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
            while standby.execute("SELECT pg_last_wal_replay_lsn() >= %s", place).fetchone() != (True,):
                pass
            took.append((time.perf_counter() - begun) * 1000)
    took.sort()
    return f"{statistics.median(took):.1f} ms, p99 {took[int(len(took) * 0.99)]:.1f} ms, {COMMITS} commits"


def _ms(seconds: tuple[float, ...]) -> str:
    return f"{statistics.median(seconds) * 1000:,.0f} ms"


if __name__ == "__main__":
    main()
