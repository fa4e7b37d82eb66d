"""Workflows: calls that wait for several others, and take their results as arguments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from forecourt.jobs.dispatch import entered_in, interceptors, transaction_for
from forecourt.jobs.option_values import all_of, words
from forecourt.jobs.plan import Plan, ResultOf, planned
from forecourt.store import workflows

if TYPE_CHECKING:
    from forecourt.database.bridge import AsyncSource
    from forecourt.jobs.dispatch import Transaction


class Step:
    """A call of a workflow. `result` stands for what it will return, and may be an argument of a
    later step.
    """

    def __init__(self, workflow: Workflow, number: int, plan: Plan, after: frozenset[int]) -> None:
        self.workflow = workflow
        self.number = number
        self.plan = plan
        self.after = after

    def __repr__(self) -> str:
        return f"<step {self.number}, whose .result stands for what it will return>"

    @property
    def result(self) -> Any:
        """What the call will return, as JSON gives it back: up to 16 kB, else the step fails."""
        if self.plan.job.policy.batch is not None:
            raise ValueError(f"{self.plan.job.name} runs many calls together, so none has a result of its own")
        return ResultOf(self.workflow, self.number)


class Workflow:
    """Calls of which each begins when all that it comes after have succeeded or were discarded.
    Each is entered exactly once, in the transaction that ends the last of them.

    When one fails for good, what comes after it waits, and the rest goes on. Retrying the failed
    call goes on from there.
    """

    def __init__(self, name: str = "") -> None:
        self.name = words(name, "workflow: name")
        self._steps: list[Step] = []
        self._on_failure: Plan | None = None

    def add(self, plan: Plan, *, after: Iterable[Step] = ()) -> Step:
        """Add a call, after these steps and those whose results it takes. Raises ValueError for a
        step of another workflow.
        """
        plan = planned(plan)
        before: list[tuple[object, int]] = [
            (step.workflow, step.number) for step in all_of(after, Step, "after: expected steps of this workflow")
        ]
        before += [(result.workflow, result.step) for result in plan.results.values()]
        if any(workflow is not self for workflow, _ in before):
            raise ValueError(f"{plan.job.name}: it cannot come after a step of another workflow")
        added = Step(self, len(self._steps) + 1, plan, frozenset(number for _, number in before))
        self._steps.append(added)
        return added

    def catch(self, plan: Plan) -> Workflow:
        """Dispatch this when a step fails for good for the first time. Its function may take
        `failure: dict`.
        """
        self._on_failure = planned(plan)
        return self

    def dispatch(self, *, session: Transaction | None = None) -> int:
        """Enter the workflow, and return its id; with `session`, in that transaction. Raises
        ValueError for an empty one.
        """
        if not self._steps:
            raise ValueError("a workflow needs at least one step: workflow.add(job.call(...))")
        for interceptor in reversed(interceptors):
            id = interceptor.begin_workflow(self.name, [step.plan for step in self._steps])
            if id is not None:
                return id
        catch = None if self._on_failure is None else self._on_failure.stored()
        stored = self._stored()
        with transaction_for(session) as tx:
            return workflows.begin(tx, self.name, catch, stored)

    async def adispatch(self, *, session: Transaction | AsyncSource | None = None) -> int:
        """The same from a coroutine; `session` may be an asynchronous one."""
        return await entered_in(session, lambda tx: self.dispatch(session=tx))

    def _stored(self) -> list[dict[str, Any]]:
        followers: dict[int, list[int]] = {step.number: [] for step in self._steps}
        for step in self._steps:
            for before in step.after:
                followers[before].append(step.number)
        needed = {result.step for step in self._steps for result in step.plan.results.values()}
        return [
            {
                "step": step.number,
                "plan": step.plan.stored_with_results() | {"exact": step.number in needed},
                "followers": followers[step.number],
                "awaits": len(step.after),
            }
            for step in self._steps
        ]
