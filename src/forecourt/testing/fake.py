"""A queue that only records: what was dispatched and how, and assertions about it. It touches no
database.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NoReturn, TypeAlias

from forecourt.jobs.definition import Definition
from forecourt.jobs.dispatch import Call, Dispatch
from forecourt.jobs.option_values import Seconds, all_of, seconds
from forecourt.jobs.plan import Plan
from forecourt.store.placement import Placement
from forecourt.testing.interceptor import checked, intercepted, new_id
from forecourt.testing.matchers import A_JOB, CallMatcher
from forecourt.testing.recorded import Link, RecordedCall

MOST_LISTED = 30
"""Calls that a failed assertion lists."""


Where: TypeAlias = Callable[[RecordedCall], object]
"""Says whether a call is one of those looked for."""


class FakeQueue:
    """What was dispatched while it was active, and assertions about it, which on failure list what
    was.

    Wherever a job is named, its arguments may follow: those given must be equal, the others may be
    anything. `where` decides by the whole call. All raise WrongArguments for an argument that the
    job does not take, ValueError for a job that this fake lets pass.
    """

    def __init__(
        self,
        *,
        only: Iterable[Definition[..., Any]] | None = None,
        except_: Iterable[Definition[..., Any]] | None = None,
    ) -> None:
        if only is not None and except_ is not None:
            raise ValueError("fake_queue: give only= or except_=, not both")
        self._only = None if only is None else all_of(only, Definition, A_JOB)
        self._except = all_of(except_ or (), Definition, A_JOB)
        self._uniques: dict[str, RecordedCall] = {}
        self.batches: dict[int, str] = {}
        """The names of the batches that were dispatched, by their ids."""
        self.workflows: list[tuple[Plan, ...]] = []
        """The steps of the workflows that were dispatched, in the order in which they were added;
        none of them is a call yet.
        """
        self.calls: list[RecordedCall] = []
        """All of them, in the order in which they were dispatched."""

    def dispatched(
        self, job: Definition[..., Any], /, *, where: Where | None = None, **args: Any
    ) -> list[RecordedCall]:
        """The calls of this job, in the order in which they were dispatched."""
        return self._found(CallMatcher(job, args), where)

    def assert_dispatched(
        self, job: Definition[..., Any], /, *, times: int | None = None, where: Where | None = None, **args: Any
    ) -> None:
        """At least one such call was dispatched, or exactly `times`."""
        __tracebackhide__ = True  # pytest then shows the line of the test
        matcher = CallMatcher(job, args)
        found = len(self._found(matcher, where))
        if times is None and not found:
            self._fail(f"{matcher} was not dispatched")
        if times is not None and found != times:
            self._fail(f"{matcher} was dispatched {_times(found)}, expected {_times(times)}")

    def assert_dispatched_once(self, job: Definition[..., Any], /, *, where: Where | None = None, **args: Any) -> None:
        """Exactly one such call was dispatched."""
        __tracebackhide__ = True
        self.assert_dispatched(job, times=1, where=where, **args)

    def assert_dispatched_on(
        self, queue: str, job: Definition[..., Any], /, *, where: Where | None = None, **args: Any
    ) -> None:
        """At least one such call was dispatched on this queue."""
        __tracebackhide__ = True
        matcher = CallMatcher(job, args)
        if not any(call.queue == queue for call in self._found(matcher, where)):
            self._fail(f"{matcher} was not dispatched on queue {queue!r}")

    def assert_dispatched_later(
        self,
        job: Definition[..., Any],
        /,
        *,
        delay: Seconds | None = None,
        at: datetime | None = None,
        where: Where | None = None,
        **args: Any,
    ) -> None:
        """At least one such call was dispatched for later: after `delay` (seconds or timedelta) or
        at an instant, if given.
        """
        __tracebackhide__ = True
        matcher = CallMatcher(job, args)
        after = None if delay is None else seconds(delay)
        if not any(
            call.later and after in (None, call.delay) and at in (None, call.at) for call in self._found(matcher, where)
        ):
            self._fail(
                f"{matcher} was not dispatched for later"
                + (f", after {after:g} s" if after is not None else "")
                + (f", at {at}" if at is not None else "")
            )

    def assert_dispatched_in_transaction(
        self, job: Definition[..., Any], /, *, where: Where | None = None, **args: Any
    ) -> None:
        """At least one such call was dispatched with `session=`: it shares the fate of the caller's
        transaction.
        """
        __tracebackhide__ = True
        matcher = CallMatcher(job, args)
        if not any(call.in_transaction for call in self._found(matcher, where)):
            self._fail(f"{matcher} was not dispatched in the caller's transaction, with using(session=...)")

    def assert_chained(self, first: Definition[..., Any] | Plan, /, *then: Definition[..., Any] | Plan) -> None:
        """A chain of exactly these was dispatched, in this order. Each is a job, or the very call:
        `job.call(...)`.
        """
        __tracebackhide__ = True
        head, links = CallMatcher.of(first), [CallMatcher.of(link) for link in then]
        if not any(_fit(links, call.chain) for call in self._found(head, None)):
            self._fail(f"{', then '.join(map(str, [head, *links]))} was not dispatched as a chain")

    def assert_not_dispatched(self, job: Definition[..., Any], /, *, where: Where | None = None, **args: Any) -> None:
        """No such call was dispatched."""
        __tracebackhide__ = True
        matcher = CallMatcher(job, args)
        if found := len(self._found(matcher, where)):
            self._fail(f"{matcher} was dispatched {_times(found)}, expected not at all")

    def assert_nothing_dispatched(self) -> None:
        """No call of any job was dispatched."""
        __tracebackhide__ = True
        self.assert_count(0)

    def assert_count(self, count: int, /) -> None:
        """So many calls were dispatched, of whatever jobs."""
        __tracebackhide__ = True
        if len(self.calls) != count:
            self._fail(f"{_calls(len(self.calls))} dispatched, expected {count or 'none'}")

    def take(self, dispatch: Dispatch[...], many: Sequence[Mapping[str, Any]]) -> list[Call] | None:
        """Record calls; let them pass if this fake is not for their job. Raises what a real
        dispatch would.
        """
        if not self._is_for(dispatch.job):
            return None
        placement = checked(dispatch)
        # `prepare` is left out: it may move things into storage, and a test asserts what its code
        # has said.
        texts = [dispatch.job.arguments.dump(args) for args in many]
        return [self._record(dispatch, placement, text) for text in texts]

    def begin_batch(self, name: str, jobs: Sequence[Definition[..., Any]]) -> int | None:
        """Record a batch; let it pass if this fake is for none of its jobs."""
        faked = [self._is_for(job) for job in jobs]
        if not any(faked):
            return None
        if not all(faked):
            raise RuntimeError(f"fake_queue: of batch {name!r} only some jobs are faked; fake all of them, or none")
        id = new_id()
        self.batches[id] = name
        return id

    def begin_workflow(self, name: str, plans: Sequence[Plan]) -> int | None:
        """Record a workflow; let it pass if this fake is for none of its jobs."""
        faked = [self._is_for(plan.job) for plan in plans]
        if not any(faked):
            return None
        if not all(faked):
            raise RuntimeError(f"fake_queue: of workflow {name!r} only some jobs are faked; fake all of them, or none")
        self.workflows.append(tuple(plans))
        return new_id()

    def assert_workflow(self, *calls: Definition[..., Any] | Plan) -> None:
        """A workflow of exactly these steps was dispatched, in the order in which they were added.
        Each is a job, or the very call."""
        __tracebackhide__ = True
        matchers = [CallMatcher.of(call) for call in calls]
        for plans in self.workflows:
            if len(plans) == len(matchers) and all(
                one.matches(plan.job, plan.args) for one, plan in zip(matchers, plans, strict=True)
            ):
                return
        self._fail(f"no workflow of {', '.join(map(str, matchers))} was dispatched")

    def assert_batched(self, *calls: Definition[..., Any] | Plan, name: str | None = None) -> None:
        """A batch of exactly these was dispatched, in this order; with `name`, under it. Each is a
        job, or the very call.
        """
        __tracebackhide__ = True
        matchers = [CallMatcher.of(call) for call in calls]
        for id, given in self.batches.items():
            members = [call for call in self.calls if call.batch == id]
            if name in (None, given) and len(members) == len(matchers):
                pairs = zip(matchers, members, strict=True)
                if all(one.matches(member.job, member.args) for one, member in pairs):
                    return
        named = "" if name is None else f" named {name!r}"
        self._fail(f"no batch{named} of {', '.join(map(str, matchers))} was dispatched")

    def _record(self, dispatch: Dispatch[...], placement: Placement, text: str) -> Call:
        job, options = dispatch.job, dispatch.options or {}
        call = RecordedCall(
            id=new_id(),
            job=job,
            args=job.arguments.load(text),
            queue=placement.queue,
            priority=placement.priority,
            delay=placement.delay,
            at=placement.run_at,
            in_transaction=dispatch.session is not None,
            chain=tuple(_link(dispatch, stored) for stored in options.get("chain", ())),
            catch=_link(dispatch, options["catch"]) if "catch" in options else None,
            batch=options.get("batch"),
        )
        if placement.unique is not None:
            # Nothing runs here, so the first call of its kind lives, and keeps others out, as long
            # as the fake.
            holder = self._uniques.setdefault(_unique_key(placement, text), call)
            if holder is not call:
                return Call(holder.id, job.name, duplicate=True)
        self.calls.append(call)
        return Call(call.id, job.name)

    def _is_for(self, job: Definition[..., Any]) -> bool:
        return job not in self._except and (self._only is None or job in self._only)

    def _found(self, matcher: CallMatcher, where: Where | None) -> list[RecordedCall]:
        if not self._is_for(matcher.job):
            raise ValueError(f"this fake lets {matcher.job.name} pass, so it cannot tell whether it was dispatched")
        fitting = [call for call in self.calls if matcher.matches(call.job, call.args)]
        return fitting if where is None else [call for call in fitting if where(call)]

    def _fail(self, words: str) -> NoReturn:
        __tracebackhide__ = True
        if not self.calls:
            raise AssertionError(f"{words}. Nothing was dispatched.")
        lines = [f"  {call}" for call in self.calls[:MOST_LISTED]]
        if len(self.calls) > MOST_LISTED:
            lines.append(f"  and {len(self.calls) - MOST_LISTED} more")
        raise AssertionError("\n".join([f"{words}. Dispatched:", *lines]))


@contextmanager
def fake_queue(
    *, only: Iterable[Definition[..., Any]] | None = None, except_: Iterable[Definition[..., Any]] | None = None
) -> Iterator[FakeQueue]:
    """While the block runs, every dispatch of this process is checked and recorded instead of
    entered; nothing runs.

    `only` fakes these jobs, `except_` all but these; what is not faked goes its way. What a job's
    `prepare` does is left out, and a call in a transaction is recorded whether or not that commits.
    Raises ValueError if both are given. A batch with a call that would be faked raises
    RuntimeError.
    """
    fake = FakeQueue(only=only, except_=except_)
    with intercepted(fake):
        yield fake


def _fit(expected: Sequence[CallMatcher], chain: Sequence[Link]) -> bool:
    return len(expected) == len(chain) and all(
        one.matches(link.job, link.args) for one, link in zip(expected, chain, strict=True)
    )


def _link(dispatch: Dispatch[...], stored: Mapping[str, Any]) -> Link:
    job = dispatch.following[stored["job"]]
    return Link(job, job.arguments.load(json.dumps(stored["args"])))


def _unique_key(placement: Placement, text: str) -> str:
    args = json.loads(text)
    chosen = {name: args.get(name) for name in placement.unique} if placement.unique else args
    return f"{placement.job} {json.dumps(chosen, sort_keys=True)}"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _calls(number: int) -> str:
    return "1 call was" if number == 1 else f"{number} calls were"
