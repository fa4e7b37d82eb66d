"""Events: in batches by SQL, beside a COPY of the same rows; and one a request over HTTP, beside a
page that does nothing.
"""

import asyncio
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import orjson
import psycopg

from benchmarks.ground import Ground
from benchmarks.market import have_listings
from benchmarks.measure import Figures, Row, Scale, at_least, in_turn, ratios
from forecourt.database import session
from forecourt.operations import tokens

EVENTS = 200_000
LISTINGS = 20_000
BATCH = 1_000
CONNECTIONS = 2

REQUESTS = 15_000
CLIENTS = 64

RECORD = "SELECT record_events(%s::bigint[], %s::text[], %s::inet[], %s::text[])"
COPY = "COPY car_listing_analytics (car_listing_id, event_type, user_ip) FROM STDIN"
CLEAR = "TRUNCATE car_listing_analytics, views_counted, views_to_count, program_visits"

TYPES = ["view"] * 8 + ["contact_phone", "share"]
AGENTS = [
    f"Mozilla/5.0 (Linux; Android {android}; SM-A{model}F) AppleWebKit/537.36 (KHTML, like Gecko) "
    f"Chrome/{chrome}.0.0.0 Mobile Safari/537.36"
    for android in range(9, 16)
    for model in (127, 155, 546)
    for chrome in range(130, 142)
] + ["WhatsApp/2.24.20.89 A"] * 10


Batch = tuple[list[int], list[str], list[str], list[str]]


def measure(ground: Ground, scale: Scale) -> list[Row]:
    """Both goals of the ways in."""
    return [_by_sql(ground, scale), _by_http(ground, scale)]


def _by_sql(ground: Ground, scale: Scale) -> Row:
    events = scale.of(EVENTS)
    share = max(1, events // CONNECTIONS)
    parts = [list(_batches(share, seed)) for seed in range(CONNECTIONS)]
    with ground.fresh() as url:
        _have_listings(url)

        def rate(send: Callable[[psycopg.Connection, Batch], None]) -> float:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(CLEAR)
            seconds = _together(url, parts, send)
            with psycopg.connect(url) as connection:
                [(kept,)] = connection.execute("SELECT count(*) FROM car_listing_analytics").fetchall()
            assert kept == share * CONNECTIONS, f"{kept} of {share * CONNECTIONS} events"
            return kept / seconds

        ours, copied = in_turn(scale.rounds, lambda: rate(_record), lambda: rate(_copy))
    mine = Figures(ours, "/s")
    return Row(
        "events by SQL",
        "≥ 20,000/s",
        f"{mine}, {ratios(ours, copied)} of a COPY",
        mine.median >= 20_000,
        f"{events:,} events of {LISTINGS:,} listings in batches of {BATCH:,} on {CONNECTIONS} connections, views counted once a "
        f"visitor: {mine}; a COPY of the same rows, which judges and counts nothing: {Figures(copied, '/s')}",
        {"recorded": mine, "copied": Figures(copied, "/s")},
    )


def _by_http(ground: Ground, scale: Scale) -> Row:
    requests = scale.of(REQUESTS)
    with ground.fresh("forecourt.marketplace.app:app") as url:
        _have_listings(url)
        with psycopg.connect(url) as connection:
            token, _ = tokens.add(connection, "load", ["events"], who="the benchmark")

        def rate(which: str) -> float:
            with _served(which) as port:
                asyncio.run(_load(port, token, min(requests, 200)))
                seconds = asyncio.run(_load(port, token, requests))
            return requests / seconds

        ours, bare = in_turn(scale.rounds, lambda: rate("ours"), lambda: rate("bare"))
        with psycopg.connect(url) as connection:
            [(kept,)] = connection.execute("SELECT count(*) FROM car_listing_analytics").fetchall()
        assert kept == (requests + min(requests, 200)) * scale.rounds, f"{kept} events were kept"
    mine = Figures(ours, "/s")
    return at_least(
        "events by HTTP",
        0.3,
        ratios(ours, bare),
        f"one event a request, {CLIENTS} connections, each answered when it is committed: {mine} (wanted: 3,000/s); a Starlette "
        f"page that reads and answers: {Figures(bare, '/s')}; the program that sends shares the cores",
        "a page that does nothing",
    )


def _have_listings(url: str) -> None:
    with session() as tx:
        have_listings(tx, 1, LISTINGS)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")


def _batches(events: int, seed: int) -> Iterator[Batch]:
    dice = random.Random(seed)
    while events:
        size = min(BATCH, events)
        events -= size
        yield (
            [dice.randint(1, LISTINGS) for _ in range(size)],
            dice.choices(TYPES, k=size),
            [f"10.{dice.randint(0, 3)}.{dice.randint(0, 255)}.{dice.randint(0, 255)}" for _ in range(size)],
            dice.choices(AGENTS, k=size),
        )


def _together(url: str, parts: list[list[Batch]], send: Callable[[psycopg.Connection, Batch], None]) -> float:
    """Each part on a connection and thread of its own; the seconds that all took."""
    start = threading.Barrier(len(parts) + 1)

    def work(part: list[Batch]) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            start.wait()
            for batch in part:
                send(connection, batch)

    threads = [threading.Thread(target=work, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    start.wait()
    begun = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begun


def _record(connection: psycopg.Connection, batch: Batch) -> None:
    connection.execute(RECORD, batch)


def _copy(connection: psycopg.Connection, batch: Batch) -> None:
    with connection.cursor().copy(COPY) as copy:
        copy.write("".join(f"{listing}\t{kind}\t{ip}\n" for listing, kind, ip, _ in zip(*batch, strict=True)))


@contextmanager
def _served(which: str) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "benchmarks.event_server", which, str(port)])
    try:
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait(30)


async def _load(port: int, token: str, requests: int) -> float:
    """Send so many requests on all connections together; the seconds until the last was
    answered.
    """
    dice = random.Random(port)
    left = iter(range(requests))

    def one() -> bytes:
        event = {
            "listing_id": dice.randint(1, LISTINGS),
            "type": dice.choice(TYPES),
            "ip": f"10.{dice.randint(0, 3)}.{dice.randint(0, 255)}.{dice.randint(0, 255)}",
            "user_agent": dice.choice(AGENTS),
        }
        body = orjson.dumps(event)
        head = (
            f"POST /api/v1/events HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in left:
            writer.write(one())
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
        writer.close()

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return time.perf_counter() - begun
