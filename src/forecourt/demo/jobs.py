"""Three jobs to which something happens: one fails for good, one never ends, one is killed half
way.
"""

import os
import socket
import time

from sqlalchemy import text

from forecourt import job
from forecourt.database import session

PACE = 0.5
"""Seconds that a step of `walk_the_lot` lasts, so that there is time to kill it."""

WALKED = text("SELECT count(*) FROM demo.steps WHERE night = :night")
STEP = text(
    """
    INSERT INTO demo.steps (night, step, pid, listings)
    SELECT :night, :step, :pid, count(*)
    FROM car_listings
    WHERE id % :steps = :step - 1
      AND deleted_at IS NULL
    """
)


class CardExpired(Exception):
    """The card that a provider's wallet is filled from is no longer valid."""


@job(queue="high", tries=2, backoff=1, timeout=30)
def charge_expired_card(provider_id: int) -> None:
    """Charge a card that expired: fails in each attempt, so in the end for good."""
    raise CardExpired(f"the card of provider {provider_id} expired; the bank declines, today and tomorrow")


@job(queue="high", tries=1, timeout=2)
def ask_silent_registry(listing_id: int) -> bytes:
    """Ask a server that took the question and never answers: runs into its timeout."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(f"is listing {listing_id} stolen?\n".encode())
        return ours.recv(1)


@job(queue="high", tries=3, backoff=0, timeout=60)
def walk_the_lot(night: int, steps: int) -> dict[str, int]:
    """Count the listings in so many steps. Each is a committed row, so another attempt goes on
    where the last was cut off.
    """
    with session() as reader:
        walked: int = reader.scalars(WALKED, {"night": night}).one()
    for step in range(walked + 1, steps + 1):
        with session() as tx:
            tx.execute(STEP, {"night": night, "step": step, "steps": steps, "pid": os.getpid()})
        time.sleep(PACE)
    return {"steps": steps - walked, "walked_before": walked}
