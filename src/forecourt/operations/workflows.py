"""Cancels workflows and lets them go on."""

from psycopg import Connection

from forecourt.store import audit, cancel, ending, failed, workflow_progress
from forecourt.store import workflows as store


class NoSuchWorkflow(LookupError):
    """There is no workflow with this id, or nothing of it is left to do."""


def cancel_workflow(tx: Connection[tuple[object, ...]], id: int, *, who: str) -> int:
    """Begin no further step, and end the calls of those that were begun. Returns how many those
    were. Raises NoSuchWorkflow.
    """
    entered = store.cancel(tx, id)
    if entered is None:
        raise NoSuchWorkflow(f"there is no workflow {id}, or it is cancelled already")
    live = cancel.ask(tx, entered, who)
    ending.cancel_waiting(tx, sorted(live), who)
    audit.record(tx, who, "workflow cancel", {"workflow": id}, len(live))
    return len(live)


def retry_workflow(tx: Connection[tuple[object, ...]], id: int, *, who: str) -> int:
    """Go on from where it stopped: retry what failed, and enter anew what was cancelled or
    forgotten. Returns how many of its calls live now. Raises NoSuchWorkflow."""
    retried = store.resume(tx, id)
    if retried is None:
        raise NoSuchWorkflow(f"there is no workflow {id}")
    failed.retry(tx, retried)
    count = sum(step.state in ("waiting", "running") for step in workflow_progress.steps(tx, id))
    audit.record(tx, who, "workflow retry", {"workflow": id}, count)
    return count
