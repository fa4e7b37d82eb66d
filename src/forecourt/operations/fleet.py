"""What concerns every worker."""

from typing import Any

from psycopg import Connection

from forecourt.store import activity, audit, requests


def restart(tx: Connection[Any], *, who: str) -> int:
    """Ask every worker to finish what it runs and exit 0. Returns how many there are."""
    requests.ask(tx, "restart")
    audit.record(tx, who, "queue restart", {})
    return len(activity.of_workers(tx))
