"""The marketplace's other ways in: events by SQL and by HTTP, a photo by HTTP, a file that would be
imported.
"""

import csv
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import orjson

from forecourt.database.connecting import connect
from forecourt.demo.photographs import one_photo
from forecourt.demo.processes import ProcessEnded
from forecourt.marketplace.imports.mapping import read
from forecourt.marketplace.imports.running import rehearse
from forecourt.operations import tokens
from forecourt.settings import settings

VISITORS = 40
"""Who look at a listing each, by SQL; and one more program looks."""

PHONE = "Mozilla/5.0 (Linux; Android 14; SM-A155F) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36"
MESSENGER = "WhatsApp/2.24.20.89 A"
WHO = "forecourt demo"

RECORD = """
SELECT record_events(%(listings)s::bigint[], %(types)s::text[], %(ips)s::inet[], %(user_agents)s::text[])
"""


@dataclass(frozen=True, slots=True)
class CameIn:
    """What came in: how many `events` in all, of which `views` count; what the server answered to
    them; the listing whose photo the call `photo` makes; and what the dry run of `file` said.
    """

    events: int
    views: int
    answer: str
    listing: int
    photo: int
    file: Path
    would: str


def come_in(night: int, listings: list[int], port: int, say: Callable[[str], None]) -> CameIn:
    """Send everything, and wait for the answers. Raises ProcessEnded when the server does not
    answer, or not well.
    """
    _by_sql(night, listings)
    name = f"demo-night-{night}"
    with connect() as tx:
        tokens.remove(tx, name, who=WHO)  # of a night that was broken off
        token, _ = tokens.add(tx, name, ["events", "photos"], lasts=timedelta(minutes=10), who=WHO)
    events = [
        {"listing_id": listings[0], "type": kind, "ip": _address(night, 0), "user_agent": PHONE}
        for kind in ("view", "contact_whatsapp")
    ]
    answer = _asked(port, token, "POST", "/api/v1/events", "application/json", orjson.dumps(events))
    path = f"/api/v1/listings/{listings[-1]}/photos"
    entered = _asked(port, token, "PUT", path, "image/jpeg", one_photo(night))
    with connect() as tx:
        tokens.remove(tx, name, who=WHO)
    file, would = _dry_run(listings[0])
    say(f"{VISITORS + 3} events and a photo came in by SQL and HTTP, and a file is tried")
    said = f"{answer['recorded']} recorded, {answer['bots']} of programs"
    return CameIn(VISITORS + 3, VISITORS + 1, said, listings[-1], entered["call"], file, would)


def _by_sql(night: int, listings: list[int]) -> None:
    seen = [listings[number % len(listings)] for number in range(VISITORS + 1)]
    facts = {
        "listings": seen,
        "types": ["view"] * len(seen),
        "ips": [_address(night, number + 1) for number in range(len(seen))],
        "user_agents": [PHONE] * VISITORS + [MESSENGER],
    }
    with connect() as front_end:
        front_end.execute(RECORD, facts)


def _address(night: int, visitor: int) -> str:
    """Somebody new each night: who looks twice in half an hour counts once."""
    return f"198.19.{night % 256}.{visitor}"


def _asked(port: int, token: str, method: str, path: str, kind: str, body: bytes) -> dict[str, Any]:
    give_up_at = time.monotonic() + 30
    while True:
        line = HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            with suppress(ConnectionRefusedError):  # it is still starting
                line.request(method, path, body, {"Authorization": f"Bearer {token}", "Content-Type": kind})
                answer = line.getresponse()
                said = answer.read()
                if answer.status >= 300:
                    raise ProcessEnded(f"{method} {path} was answered {answer.status}: {said.decode()}")
                found: dict[str, Any] = orjson.loads(said)
                return found
        finally:
            line.close()
        if time.monotonic() > give_up_at:
            raise ProcessEnded(f"nobody answers at port {port} of this machine")
        time.sleep(0.1)


def _dry_run(there: int) -> tuple[Path, str]:
    """What the import of three listings would do: a new one, one that is there, one without a
    price that is one.
    """
    file = settings().var / "demo" / "listings.csv"
    with file.open("w", newline="", encoding="utf-8") as out:
        rows = csv.writer(out)
        rows.writerow(["id", "owner_id", "title", "slug", "price"])
        rows.writerow(["", 1, "Kia Rio 2019", "kia-rio-from-a-file", 9800])
        rows.writerow([there, 1, "Kia Rio 2018", "kia-rio-of-old", 8700])
        rows.writerow(["", 1, "Kia Rio 2017", "kia-rio-of-no-price", "cheap"])
    would = rehearse(file, "csv", read("listings", None))
    refused = "; ".join(f"line {place.line}: {why}" for place, why in would.refused)
    return file, f"{would.new} would be new, {would.there} is there; {refused}"
