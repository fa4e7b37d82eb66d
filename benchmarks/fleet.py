"""Two, five and twenty hosts on one PostgreSQL, each a network namespace with a name of its own, so
that every statement goes through TCP; directly, and through PgBouncer.

    PYTHONPATH=tests python -m benchmarks.fleet

needs root, `ip`, and pgbouncer for its half. All hosts and the server share the cores of one
machine: what is measured is what one more host costs the others and the server.
"""

import argparse
import os
import statistics
import struct
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks import jobs
from benchmarks.queues import ROOT, forecourt, fresh_marks
from benchmarks.worker import Workers, family_cpu, working
from faults.networks import Cable, cables
from faults.pooler import NoPooler, pgbouncer
from faults.site import Site, site
from forecourt import database
from forecourt.settings import settings

HOSTS = (2, 5, 20)
SLOTS = 2
CALLS = 200_000
AT_ONCE = 10_000
SAMPLES = 200
IDLE = 10.0

FLEET = "SELECT count(*) FROM forecourt.workers"
CONNECTIONS = """
SELECT count(*)
FROM pg_stat_activity
WHERE backend_type = 'client backend'
  AND pid <> pg_backend_pid()
"""
PAUSE = "INSERT INTO forecourt.pauses (kind, name, who) VALUES ('queue', 'default', 'benchmark')"
RESUME = "DELETE FROM forecourt.pauses"
DONE = "SELECT count(*), extract(epoch FROM max(finished_at) - min(started_at))::float8 FROM forecourt.done"
SHARES = "SELECT count(DISTINCT worker) FROM forecourt.done"


@dataclass(frozen=True, slots=True)
class Measured:
    """What so many hosts did; rates a second, CPU in seconds of one core."""

    hosts: int
    way: str
    rate: float
    server_per_call: float
    p50: float
    p99: float
    connections: int
    idle_server: float
    idle_fleet: float

    def row(self) -> str:
        """A line of the table."""
        return (
            f"| {self.hosts} | {self.way} | {self.rate:,.0f}/s | {self.server_per_call * 1e6:.0f} µs "
            f"| {self.p50:.1f} ms | {self.p99:.1f} ms | {self.connections} "
            f"| {self.idle_server:.1%} | {self.idle_fleet:.1%} |"
        )


HEAD = """\
| hosts | how | no-op calls | server's CPU a call | wait p50 | wait p99 | connections | server, idle | fleet, idle |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.fleet", description=__doc__)
    parser.add_argument("--part", type=float, default=1.0, help="how much of the full size is measured  [1, all]")
    parser.add_argument("--hosts", type=int, nargs="+", default=HOSTS, help="how many hosts  [2 5 20]")
    options = parser.parse_args()
    os.environ["FORECOURT_LOG_LEVEL"] = "WARNING"
    names = [f"host{n + 1}" for n in range(max(options.hosts))]
    with tempfile.TemporaryDirectory() as made, cables(*names) as laid:
        folder = Path(made)
        folder.chmod(0o755)
        networks = [f"{cable.there}/32" for cable in laid] + ["127.0.0.1/32"]
        more = {"listen_addresses": "*", "max_connections": "400"}
        with site(folder / "postgres", networks=networks, **more) as opened:
            opened.release_horizon()
            print(HEAD, flush=True)
            for hosts in options.hosts:
                print(_measured(opened, folder, laid[:hosts], None, options.part).row(), flush=True)
            try:
                with pgbouncer("127.0.0.1", "0.0.0.0") as pooled:
                    for hosts in options.hosts:
                        print(_measured(opened, folder, laid[:hosts], pooled, options.part).row(), flush=True)
            except NoPooler as why:
                print(why)


def _measured(opened: Site, folder: Path, hosts: Sequence[Cable], pooled: str | None, part: float) -> Measured:
    os.environ |= {"FORECOURT_DATABASE_URL": opened.url, "FORECOURT_VAR": str(folder / "var")}
    database.forget_engine()
    settings.cache_clear()
    marks = fresh_marks(folder)
    postmaster = opened.postmaster()
    assert postmaster is not None
    with psycopg.connect(opened.url, autocommit=True) as looking:
        looking.execute(
            "TRUNCATE forecourt.ready, forecourt.done, forecourt.workers, forecourt.pauses, forecourt.minutes"
        )
        looking.execute(PAUSE)
        with _fleet(hosts, marks, folder / "fleet.log", pooled) as fleet:
            fleet.until(lambda: _one(looking, FLEET) == len(hosts), within=300, every=0.1)
            calls = max(1, round(CALLS * part))
            for start in range(0, calls, AT_ONCE):
                jobs.nothing.dispatch_many({"n": n} for n in range(start, min(start + AT_ONCE, calls)))
            looking.execute("CHECKPOINT")
            used = family_cpu(postmaster)
            looking.execute(RESUME)
            fleet.until(lambda: _one(looking, DONE) == calls, within=600, every=0.05)
            used = family_cpu(postmaster) - used
            [(_, seconds)] = looking.execute(DONE).fetchall()
            rate = calls / seconds
            assert _one(looking, SHARES) == len(hosts), "a host has done nothing"
            marks.write_bytes(b"")
            waits = _waits(fleet, marks, max(5, round(SAMPLES * part)))
            time.sleep(IDLE * min(1.0, part))
            before, at = (family_cpu(postmaster), fleet.cpu()), time.monotonic()
            time.sleep(IDLE * part)
            seconds = time.monotonic() - at
            idle = [
                (now - then) / seconds for now, then in zip((family_cpu(postmaster), fleet.cpu()), before, strict=True)
            ]
            return Measured(
                len(hosts),
                "directly" if pooled is None else "PgBouncer",
                rate,
                used / calls,
                statistics.median(waits),
                sorted(waits)[int(0.99 * (len(waits) - 1))],
                _one(looking, CONNECTIONS),
                *idle,
            )


@contextmanager
def _fleet(hosts: Sequence[Cable], marks: Path, log: Path, pooled: str | None) -> Iterator[Workers]:
    work = forecourt("queue", "work", "--queue", "default", "--processes", str(SLOTS))
    common = os.environ | {
        "BENCHMARK_MARKS": str(marks),
        "FORECOURT_APP": "benchmarks.jobs:app",
        "FORECOURT_POOLED": "false" if pooled is None else "true",
        "PYTHONPATH": str(ROOT),
    }
    port = "5432" if pooled is None else pooled.partition("@127.0.0.1:")[2].partition("/")[0]
    commands = [
        [*cable.prefix, "env", f"FORECOURT_DATABASE_URL=postgresql://forecourt@{cable.here}:{port}/forecourt", *work]
        for cable in hosts
    ]
    with working(commands, env=common, cwd=ROOT, log=log) as fleet:
        yield fleet


def _waits(fleet: Workers, marks: Path, count: int) -> list[float]:
    """Milliseconds from before a dispatch to the function's first line, one call at a time."""
    for n in range(count):
        time.sleep(0.04)
        jobs.stamp.dispatch(sent_ns=time.monotonic_ns())
        fleet.until(lambda n=n: marks.stat().st_size >= 8 * (n + 1), within=30)  # type: ignore[misc]
    return [nanoseconds / 1e6 for (nanoseconds,) in struct.iter_unpack("q", marks.read_bytes())]


def _one(looking: psycopg.Connection[tuple[object, ...]], query: str) -> int:
    [(count, *_)] = looking.execute(query.encode()).fetchall()
    assert isinstance(count, int)
    return count


if __name__ == "__main__":
    main()
