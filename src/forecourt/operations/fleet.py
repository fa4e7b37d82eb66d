"""What concerns every worker, or one of them."""

from typing import Any, Literal, TypeAlias

from psycopg import Connection

from forecourt.store import activity, audit, requests

Wish: TypeAlias = Literal["quiet", "resume", "stop"]


class NoSuchWorker(LookupError):
    """No worker has this id, or it is gone by now."""

    def __init__(self, worker: int) -> None:
        super().__init__(f"no worker has the id {worker}; forecourt queue worker list shows those that there are")


def ask(tx: Connection[Any], worker: int, wish: Wish, *, who: str) -> bool:
    """Ask one worker, which hears of it within about a second: `quiet`, to finish what it runs and
    claim nothing more; `resume`, to go on; `stop`, to end as after SIGTERM. False, and nothing was
    changed, when it does so already, or is to stop. Raises NoSuchWorker."""
    asked = requests.ask(tx, worker, None if wish == "resume" else wish, who)
    if asked:
        audit.record(tx, who, f"worker {wish}", {"worker": worker})
    elif requests.asked_of(tx, worker) is None:
        raise NoSuchWorker(worker)
    return asked


def restart(tx: Connection[Any], *, who: str) -> int:
    """Ask every worker to finish what it runs and exit 0. Returns how many there are."""
    requests.restart(tx)
    audit.record(tx, who, "queue restart", {})
    return len(activity.of_workers(tx))
