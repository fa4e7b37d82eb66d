"""Workflows: calls that wait for several others."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from psycopg import Connection

from forecourt.operations import workflows as operations
from forecourt.store import workflow_progress
from forecourt.store.workflow_progress import Step
from forecourt.web.api.errors import NotFound
from forecourt.web.api.parameters import A_PAGE, Id

State: TypeAlias = Literal["going on", "stopped", "cancelled", "done"]


@dataclass(frozen=True, slots=True)
class Workflow:
    """How far a workflow is. Stopped: a step has failed, and what comes after it waits."""

    id: int
    name: str
    state: State
    steps: int
    succeeded: int
    failed: int
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Live:
    """How many of a workflow's calls that concerned."""

    calls: int


def latest(tx: Connection[Any], *, limit: A_PAGE = 50) -> list[Workflow]:
    """The latest workflows, newest first."""
    return [
        Workflow(
            one.id, one.name, _state(one), one.steps, one.succeeded, one.failed, one.created_at,
            one.ended_at if one.succeeded == one.steps else None,
        )
        for one in workflow_progress.latest(tx, limit)
    ]  # fmt: skip


def show(tx: Connection[Any], *, id: Id) -> list[Step]:
    """The steps of a workflow, in order."""
    found = workflow_progress.steps(tx, id)
    if not found:
        raise NotFound(f"there is no workflow {id}")
    return found


def cancel(tx: Connection[Any], *, who: str, workflow: Id) -> Live:
    """Begin no further step, and end the calls of those that were begun."""
    try:
        return Live(operations.cancel_workflow(tx, workflow, who=who))
    except operations.NoSuchWorkflow as error:
        raise NotFound(str(error)) from None


def retry(tx: Connection[Any], *, who: str, workflow: Id) -> Live:
    """Go on from where it stopped: what failed, was cancelled or forgotten runs again. Returns how
    many of its calls live.
    """
    try:
        return Live(operations.retry_workflow(tx, workflow, who=who))
    except operations.NoSuchWorkflow as error:
        raise NotFound(str(error)) from None


def _state(one: workflow_progress.Workflow) -> State:
    if one.cancelled_at is not None:
        return "cancelled"
    if one.succeeded == one.steps:
        return "done"
    return "stopped" if one.failed else "going on"
