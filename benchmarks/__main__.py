"""`make bench`: no-op calls a second, end to end, beside the raw loop; pairs interleaved, medians with minimum and maximum."""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
from sqlalchemy import create_engine, make_url

from benchmarks import raw_loop
from forecourt import database
from forecourt.database.private import PrivateServer
from forecourt.database.schema import upgrade


def forecourt_rate(url: str, calls: int, processes: int) -> float:
    """Calls a second of one worker, from its first finished call to its last, with done rows, deadlines and minutes."""
    from benchmarks.jobs import nothing

    nothing.dispatch_many({"n": n} for n in range(calls))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE forecourt.done")
        command = [sys.executable, "-m", "forecourt", "queue", "work", "--queue", "default", "--stop-when-empty"]
        quiet = os.environ | {"FORECOURT_LOG_LEVEL": "WARNING"}
        subprocess.run([*command, "--processes", str(processes)], env=quiet, check=True)
        row = connection.execute(
            "SELECT count(*), extract(epoch FROM max(finished_at) - min(started_at))::float8 FROM forecourt.done"
        ).fetchone()
    assert row is not None
    assert row[0] == calls, f"{row[0]} of {calls} calls"
    return float(calls / row[1])


def main() -> None:
    """Print the table. Exits 0 whatever it says; it fails only when calls are missing."""
    parser = argparse.ArgumentParser(prog="benchmarks")
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"FORECOURT_VAR": folder, "FORECOURT_APP": "benchmarks.jobs:app"}
        server = PrivateServer(Path(folder) / "postgres")
        url = server.start()
        os.environ["FORECOURT_DATABASE_URL"] = url
        engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
        upgrade(engine)
        engine.dispose()
        machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        print(f"{machine}, fsync on, {options.calls} calls a round")
        ours, raw = [], []
        for number in range(options.rounds):
            ours.append(forecourt_rate(url, options.calls, options.processes))
            raw.append(raw_loop.rate(url, options.calls, options.processes))
            print(f"  round {number + 1}: Forecourt {ours[-1]:,.0f}/s, raw loop {raw[-1]:,.0f}/s", flush=True)
            time.sleep(0.5)
        ratios = [mine / peer for mine, peer in zip(ours, raw, strict=True)]
        for name, figures, form in (
            ("Forecourt, calls/s", ours, ",.0f"),
            ("raw loop, calls/s", raw, ",.0f"),
            ("ratio", ratios, ".2f"),
        ):
            print(
                f"{name:<20} {statistics.median(figures):{form}} (min {min(figures):{form}}, max {max(figures):{form}})"
            )
        database.forget_engine()
        server.release()


if __name__ == "__main__":
    main()
