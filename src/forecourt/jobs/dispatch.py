"""Dispatching: from checked arguments to rows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeAlias, overload

import psycopg
from sqlalchemy import Connection
from sqlalchemy.orm import Session, scoped_session

from forecourt.database import each_by_itself, engine, in_transaction_of
from forecourt.database.bridge import AsyncSource, bridged, is_async
from forecourt.database.callers import DjangoConnection, MustBeAwaited
from forecourt.durations import LATEST
from forecourt.jobs import awaiting
from forecourt.jobs.application import importing
from forecourt.jobs.carrying import carried
from forecourt.jobs.definition import Definition, P, Q, R, Transactional
from forecourt.jobs.option_values import Seconds, seconds, typable, whole
from forecourt.jobs.policy import RANGES
from forecourt.store import calls, many_calls
from forecourt.store.placement import Placement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Transaction: TypeAlias = Session | scoped_session[Any] | Connection | DjangoConnection | psycopg.Connection[Any]


class Call(NamedTuple):
    """One dispatch of a job. `id` names it in every table and command. `duplicate`: nothing was
    entered, `id` is the call that is there already."""

    id: int
    job: str
    duplicate: bool = False

    def result(self, timeout: Seconds | None = None) -> Any:
        """Wait until the call has ended, and return what its function returned, as JSON gives it
        back. Results are kept for as long as finished calls are; one of more than 16 kB comes back
        as a text, its first 2,000 characters.

        Raises CallFailed when it failed for good, CallDiscarded or CallCancelled; TimeoutError
        after `timeout`, which changes nothing about the call; LookupError when it is in no table:
        not committed yet, or gone; RuntimeError inside of a job, whose slot might be the one that
        the call needs.
        """
        return awaiting.result(self.id, self.job, None if timeout is None else seconds(timeout, "timeout"))

    async def aresult(self, timeout: Seconds | None = None) -> Any:
        """The same from a coroutine."""
        return await awaiting.aresult(self.id, self.job, None if timeout is None else seconds(timeout, "timeout"))


class Interceptor(Protocol):
    """Takes calls that would have entered the database: `forecourt.testing` records them, or runs
    them at once.
    """

    def take(self, dispatch: Dispatch[...], many: Sequence[Mapping[str, Any]]) -> list[Call] | None:
        """One call for each of these arguments, which are not checked yet; None to let all of them
        pass.
        """

    def begin_batch(self, name: str, jobs: Sequence[Definition[..., Any]]) -> int | None:
        """An id for a batch of calls of these jobs, which are dispatched next; None to let it
        pass.
        """

    def begin_workflow(self, name: str, plans: Sequence[Any]) -> int | None:
        """An id for a workflow of these plans, of which none is dispatched; None to let it pass."""


interceptors: list[Interceptor] = []
"""Asked before anything is entered, the last one first, whichever thread dispatches. Empty outside
of tests.
"""


class OfTransactional(Protocol[Q]):
    """A dispatch of a job whose function takes its transaction first."""

    @property
    def job(self) -> Transactional[Q]: ...


@dataclass(frozen=True, slots=True)
class Dispatch(Generic[P]):
    """A job with the circumstances of its next dispatch, as `job.using(...)` gives it."""

    job: Definition[P, Any]
    session: Transaction | AsyncSource | None = None
    delay: float | None = None
    at: datetime | None = None
    queue: str | None = None
    priority: int | None = None
    options: dict[str, Any] | None = None
    following: Mapping[str, Definition[..., Any]] = field(default_factory=dict)
    """The jobs that the options name, for an interceptor: they know them by their names only."""

    def with_options(self, options: dict[str, Any]) -> Dispatch[P]:
        """The same, with notes for the engine in the call's row: its tick, what follows it."""
        return replace(self, options=options)

    @overload
    def dispatch(self: OfTransactional[Q], *args: Q.args, **kwargs: Q.kwargs) -> Call: ...
    @overload
    def dispatch(self, *args: P.args, **kwargs: P.kwargs) -> Call: ...
    def dispatch(self, *unnamed: Any, **args: Any) -> Call:
        """Enter one call. Raises WrongArguments."""
        self.job.arguments.refuse_unnamed("dispatch", unnamed)
        if interceptors and (taken := self._intercepted([args])) is not None:
            return taken[0]
        text, placement = self.text(args), self.placement()
        with each_by_itself() if self.session is None else nullcontext(in_transaction_of(self.session)) as tx:
            id, is_new = calls.enter(tx, placement, text, alone=self.session is None)
            return Call(id, self.job.name, duplicate=not is_new)

    @overload
    async def adispatch(self: OfTransactional[Q], *args: Q.args, **kwargs: Q.kwargs) -> Call: ...
    @overload
    async def adispatch(self, *args: P.args, **kwargs: P.kwargs) -> Call: ...
    async def adispatch(self, *unnamed: Any, **args: Any) -> Call:
        """The same from a coroutine. `session` may be an AsyncSession, an AsyncConnection, or
        psycopg's AsyncConnection, and enters the call in its transaction. Raises WrongArguments."""
        if not is_async(self.session):
            return await asyncio.to_thread(self.dispatch, *unnamed, **args)
        self.job.arguments.refuse_unnamed("adispatch", unnamed)
        if interceptors and (taken := self._intercepted([args])) is not None:
            return taken[0]
        text, placement = self.text(args), self.placement()
        id, is_new = await bridged(self.session, lambda tx: calls.enter(tx, placement, text))
        return Call(id, self.job.name, duplicate=not is_new)

    async def adispatch_many(self, many: Iterable[Mapping[str, Any]]) -> list[Call]:
        """The same for many. Raises WrongArguments before anything is entered."""
        if not is_async(self.session):
            return await asyncio.to_thread(self.dispatch_many, many)
        if interceptors and (taken := self._intercepted(many := list(many))) is not None:
            return taken
        texts, placement = [self.text(args) for args in many], self.placement()
        entered = await bridged(self.session, lambda tx: many_calls.enter_many(tx, placement, texts))
        return [Call(id, self.job.name, duplicate=not is_new) for id, is_new in entered]

    def dispatch_many(self, many: Iterable[Mapping[str, Any]]) -> list[Call]:
        """Enter many calls in one statement. Raises WrongArguments before anything is entered."""
        if interceptors and (taken := self._intercepted(many := list(many))) is not None:
            return taken
        texts, placement = [self.text(args) for args in many], self.placement()
        with transaction_for(self.session) as tx:
            entered = many_calls.enter_many(tx, placement, texts)
            return [Call(id, self.job.name, duplicate=not is_new) for id, is_new in entered]

    def text(self, args: Mapping[str, Any]) -> str:
        """The arguments as the call's row keeps them: checked, prepared, as JSON text. Raises
        WrongArguments.
        """
        if self.job.prepare is not None:
            self.job.check(args)
            args = self.job.prepare(dict(args))
        return self.job.arguments.dump(args)

    def placement(self) -> Placement:
        """Where and when calls enter. Raises ValueError for a queue, priority or instant out of
        range, and for a delay after which the call would have expired; RuntimeError while the
        application is imported."""
        policy = self.job.policy
        if app := importing.get():
            raise RuntimeError(
                f"{self.job.name}: dispatched while {app} is imported, as each worker and command would do again: dispatch from a "
                "function, or behind if __name__ == '__main__'"
            )
        if self.at is not None and self.at >= LATEST:
            raise ValueError(f"{self.job.name}: at= is not before the year {LATEST.year}: {self.at}")
        if policy.retry_until is not None and (delay := self._delay()) >= policy.retry_until:
            raise ValueError(
                f"{self.job.name}: a delay of {delay:g} s is not shorter than its retry_until of {policy.retry_until:g} s, so it "
                "would expire before it began"
            )
        queue = policy.queue if self.queue is None else typable(self.queue, "queue", without=",")
        context = dict(carried(self.job.name, queue))
        return Placement(
            job=self.job.name,
            queue=queue,
            priority=policy.priority
            if self.priority is None
            else whole(self.priority, "priority", *RANGES["priority"]),
            delay=self.delay,
            run_at=self.at,
            options=(self.options or {}) | {"trace": context} if context else self.options,
            trace=context.get("traceparent"),
            unique=policy.unique,
            defaults=self.job.arguments.defaults,
            unique_for=policy.unique_for,
        )

    def _delay(self) -> float:
        if self.at is not None:
            return (self.at - datetime.now(UTC)).total_seconds()
        return self.delay or 0.0

    def _intercepted(self, many: Sequence[Mapping[str, Any]]) -> list[Call] | None:
        taken = (interceptor.take(self, many) for interceptor in reversed(interceptors))
        return next((entered for entered in taken if entered is not None), None)


async def entered_in(session: Transaction | AsyncSource | None, enter: Callable[[Any], R]) -> R:
    """What `enter` returns for the caller's transaction, from a coroutine."""
    if interceptors:  # they take calls without a database; what they let pass needs it, and is entered below
        with suppress(MustBeAwaited):
            return enter(session)
    return await (bridged(session, enter) if is_async(session) else asyncio.to_thread(enter, session))


@contextmanager
def transaction_for(session: object | None) -> Iterator[psycopg.Connection[Any]]:
    """The caller's transaction, or one of its own, which is committed at the end of the block: also
    on a caller's connection that commits each statement. Raises TypeError for what holds no
    transaction that can be used without waiting."""
    if session is not None:
        tx = in_transaction_of(session)
        with calls.as_one(tx):
            yield tx
    else:
        with engine().begin() as connection:
            yield in_transaction_of(connection)
