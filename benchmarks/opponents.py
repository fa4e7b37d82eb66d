"""The peers as queues: each in a fresh database or Valkey, behind its producer process."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.ground import Ground
from benchmarks.measure import Scale
from benchmarks.peers import environment
from benchmarks.queues import LISTINGS, fresh_marks
from benchmarks.worker import Workers, working

TABLE = (
    "CREATE TABLE car_listings (id bigint PRIMARY KEY, views_count bigint NOT NULL DEFAULT 0) WITH (fillfactor = 80)"
)
ROWS = "INSERT INTO car_listings (id) SELECT generate_series(1, %s)"
COUNTED = "SELECT sum(views_count) FROM car_listings"


INTERPRETERS = {"Python": str(environment.PYTHON), "PHP": "php", "JavaScript": "node"}

# Where an interpreter is missing.
NEEDED = {
    "Python": "not installed: python -m benchmarks.peers",
    "PHP": "no php: apt-get install php-cli php-pgsql php-laravel-framework",
    "JavaScript": "no node: apt-get install nodejs npm",
}


@dataclass(frozen=True, slots=True)
class Peer:
    """A queue to compare with. `nothings` and `updates`: calls that take two of its processes a
    second or two. `waits`: one process runs a hundred coroutines at once."""

    name: str
    module: str
    on_postgres: bool
    nothings: int
    updates: int
    waits: bool = False

    @property
    def producer(self) -> list[str]:
        """The command that takes orders."""
        if self.language == "Python":
            return [str(environment.PYTHON), "producer.py", self.module]
        return [INTERPRETERS[self.language], self.module, "produce"]

    @property
    def language(self) -> str:
        """What its jobs are written in."""
        return {".php": "PHP", ".js": "JavaScript"}.get(Path(self.module).suffix, "Python")


PEERS = (
    Peer("Celery", "celery_tasks", False, nothings=2_000, updates=2_000),
    Peer("RQ", "rq_tasks", False, nothings=250, updates=200),
    Peer("Dramatiq", "dramatiq_tasks", False, nothings=6_000, updates=5_000),
    Peer("Huey", "huey_tasks", False, nothings=7_000, updates=3_000),
    Peer("Taskiq", "taskiq_tasks", False, nothings=6_000, updates=3_000, waits=True),
    Peer("Procrastinate", "procrastinate_tasks", True, nothings=1_000, updates=800),
    Peer("PgQueuer", "pgqueuer_tasks", True, nothings=30_000, updates=8_000, waits=True),
    Peer("Awa", "awa_tasks", True, nothings=10_000, updates=4_000),
    Peer("Graphile Worker", "graphile_worker.js", True, nothings=60_000, updates=8_000, waits=True),
    Peer("Laravel", "laravel_queue.php", True, nothings=600, updates=600),
)

ONE_OF_EACH_KIND = ("Huey", "PgQueuer", "Graphile Worker")


@cache
def absent() -> dict[str, str]:
    """The peers that cannot run here, with the reason."""
    return {peer.name: reason for peer in PEERS if (reason := _reason(peer))}


def present(scale: Scale, *, on_postgres: bool = False) -> list[Peer]:
    """The peers that can run here; only those whose queue is in PostgreSQL, if asked. Of a run that
    is far too small to measure anything, one peer of each kind."""
    found = [peer for peer in PEERS if peer.name not in absent() and (peer.on_postgres or not on_postgres)]
    return [peer for peer in found if peer.name in ONE_OF_EACH_KIND] if scale.part < 0.01 else found


def _reason(peer: Peer) -> str:
    if not shutil.which(INTERPRETERS[peer.language]):
        return NEEDED[peer.language]
    # A producer that is given no orders only loads its libraries.
    surroundings = os.environ | {"BENCHMARK_DATABASE": "postgresql://", "BENCHMARK_VALKEY": "redis://127.0.0.1:1/0"}
    tried = subprocess.run(
        peer.producer, cwd=environment.HERE, env=surroundings, input="", capture_output=True, text=True, check=False
    )
    return "" if tried.returncode == 0 else (tried.stderr.strip() or tried.stdout.strip()).splitlines()[-1]


class Opponent:
    """A peer's queue, up and empty."""

    def __init__(self, peer: Peer, folder: Path, producer: "Producer", env: dict[str, str]) -> None:
        self.name = peer.name
        self.marks = Path(env["BENCHMARK_MARKS"])
        self.settings: str = producer.order("prepare")["settings"]
        self._folder = folder
        self._producer = producer
        self._env = env

    def fill(self, job: str, count: int) -> None:
        """All at once, in the peer's quickest way."""
        self._producer.order("fill", job=job, count=count)

    def one_by_one(self, job: str, count: int) -> float:
        """Calls a second, each entered by itself."""
        return count / float(self._producer.order("one_by_one", job=job, count=count))

    def send_stamps(self, pauses: list[float]) -> None:
        """Calls that say how long they were under way."""
        self._producer.order("stamps", pauses=pauses)

    def workers(self, processes: int) -> AbstractContextManager[Workers]:
        """The peer's own commands."""
        commands = self._producer.order("commands", processes=processes)
        return working(commands, env=self._env, cwd=environment.HERE, log=self._folder / "workers.log")

    def views(self) -> int:
        """How many views its jobs have counted."""
        with psycopg.connect(self._env["BENCHMARK_DATABASE"]) as connection:
            return int(connection.execute(COUNTED).fetchall()[0][0])


class Producer:
    """The process that fills a peer's queue."""

    def __init__(self, command: list[str], env: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                cwd=environment.HERE,
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def order(self, what: str, **how: object) -> Any:
        """Have it done, and return the answer. Raises RuntimeError with its last words when it
        died.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"do": what} | how), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{what}: {self._log.read_text(errors='replace')[-1000:]}")
        return json.loads(answer)

    def close(self) -> None:
        """It ends when there are no more orders."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


@contextmanager
def opponent(ground: Ground, peer: Peer, *, connections: int = 8, listings: int = LISTINGS) -> Iterator[Opponent]:
    """The peer on a database, and on a Valkey if it wants one, with so many listings and nothing
    else in them.

    `connections`: how many a process whose jobs are coroutines may use for their updates.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=ground.folder)))
        url = stack.enter_context(ground.empty())
        env = os.environ | {
            "BENCHMARK_CONNECTIONS": str(connections),
            "BENCHMARK_DATABASE": url,
            "BENCHMARK_LISTINGS": str(listings),
            "BENCHMARK_MARKS": str(fresh_marks(folder)),
        }
        if not peer.on_postgres:
            env["BENCHMARK_VALKEY"] = stack.enter_context(environment.valkey(folder))
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(TABLE)
            connection.execute(ROWS, (listings,))
            connection.execute("CHECKPOINT")
        producer = Producer(peer.producer, env, folder / "producer.log")
        stack.callback(producer.close)
        yield Opponent(peer, folder, producer, env)
