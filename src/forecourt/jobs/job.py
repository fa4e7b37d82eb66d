"""@job: a function becomes a job, with a name, a policy and ways to dispatch it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Concatenate, Protocol, overload

from forecourt.database.bridge import AsyncSource
from forecourt.jobs.backoff import Backoff
from forecourt.jobs.backoff import backoff as as_backoff
from forecourt.jobs.definition import Definition, P, Q, R, Transactional
from forecourt.jobs.dispatch import Call, Dispatch, Transaction
from forecourt.jobs.limits import Limit, Rate, at_most
from forecourt.jobs.option_values import Seconds, names, seconds
from forecourt.jobs.plan import Plan
from forecourt.jobs.policy import Policy

if TYPE_CHECKING:
    from forecourt.jobs.definition import Given


ELSEWHERE = frozenset(
    ("apply_async", "defer", "delay", "delay_on_commit", "enqueue", "kiq", "perform_async", "perform_later", "send")
)
"""What others call `dispatch`."""


class Callback(Protocol[Q]):
    """A job whose function takes first what the engine tells it: `failure` or `batch`."""

    @property
    def function(self) -> Callable[Concatenate[dict[str, Any], Q], Any]: ...


class TransactionalCallback(Protocol[Q]):
    """The same, after its transaction."""

    @property
    def function(self) -> "Callable[Concatenate[Given, dict[str, Any], Q], Any]": ...


class Job(Definition[P, R]):
    """A job that can be dispatched: that enters a call. Calling it runs the function here and
    now.
    """

    if not TYPE_CHECKING:  # to a checker a job would have every name

        def __getattr__(self, name: str) -> None:
            if name in ELSEWHERE:
                raise AttributeError(
                    f"a job has no {name!r}: {self.name}.dispatch(...) enters a call, and using(...) before it says when, in "
                    "which queue and transaction"
                )
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @overload
    def call(self: TransactionalCallback[Q], *args: Q.args, **kwargs: Q.kwargs) -> Plan: ...
    @overload
    def call(self: Callback[Q], *args: Q.args, **kwargs: Q.kwargs) -> Plan: ...
    @overload
    def call(self: Transactional[Q], *args: Q.args, **kwargs: Q.kwargs) -> Plan: ...
    @overload
    def call(self, *args: P.args, **kwargs: P.kwargs) -> Plan: ...
    def call(self, *unnamed: Any, **args: Any) -> Plan:
        """A call for a chain or a batch, which dispatches it. Raises WrongArguments."""
        self.arguments.refuse_unnamed("call", unnamed)
        return Plan.of(self, args)

    def using(
        self,
        *,
        session: Transaction | AsyncSource | None = None,
        delay: Seconds | None = None,
        at: datetime | None = None,
        queue: str | None = None,
        priority: int | None = None,
    ) -> Dispatch[P]:
        """How the next dispatch differs from the policy.

        `session`: enter the calls in this transaction, so that its commit makes them visible and
        its rollback forgets them; an asynchronous one is for `adispatch`. `delay` (seconds or
        timedelta) or `at` (an aware instant): not before then, by the database's clock.
        """
        if delay is not None and at is not None:
            raise ValueError(f"{self.name}: give delay= or at=, not both")
        if at is not None and (not isinstance(at, datetime) or at.tzinfo is None):
            raise ValueError(f"{self.name}: at= must be a datetime that knows its time zone, unlike {at!r}")
        return Dispatch(
            self,
            session=session,
            delay=None if delay is None else seconds(delay),
            at=at,
            queue=queue,
            priority=priority,
        )

    @overload
    def dispatch(self: Transactional[Q], *args: Q.args, **kwargs: Q.kwargs) -> Call: ...
    @overload
    def dispatch(self, *args: P.args, **kwargs: P.kwargs) -> Call: ...
    def dispatch(self, *unnamed: Any, **args: Any) -> Call:
        """Enter one call in a transaction of its own, committed when this returns. Raises
        WrongArguments.
        """
        return self.using().dispatch(*unnamed, **args)

    @overload
    async def adispatch(self: Transactional[Q], *args: Q.args, **kwargs: Q.kwargs) -> Call: ...
    @overload
    async def adispatch(self, *args: P.args, **kwargs: P.kwargs) -> Call: ...
    async def adispatch(self, *unnamed: Any, **args: Any) -> Call:
        """The same from a coroutine."""
        return await self.using().adispatch(*unnamed, **args)

    def dispatch_many(self, calls: Iterable[Mapping[str, Any]]) -> list[Call]:
        """Enter many calls in one transaction: all of them, or none when one has wrong
        arguments.
        """
        return self.using().dispatch_many(calls)


declared: list[Job[..., Any]] = []
"""The jobs of this process, in the order in which `@job` made them. Which are whose, and whether
their names and options fit together, applications say.
"""


@overload
def job(function: Callable[P, R], /) -> Job[P, R]: ...
@overload  # its calls take one of what its function takes a list of, which types cannot say
def job(*, batch: int, **options: Any) -> Callable[[Callable[..., R]], Job[..., R]]: ...
@overload
def job(
    *,
    name: str | None = None,
    queue: str = "default",
    priority: int = 0,
    tries: int | None = None,
    backoff: Seconds | Sequence[Seconds] | Backoff | None = None,
    timeout: Seconds | None = None,
    batch: None = None,
    threads: int = 1,
    concurrency: int = 1,
    commit_together: int | None = None,
    fail_on: type[BaseException] | tuple[type[BaseException], ...] = (),
    retry_until: Seconds | None = None,
    max_errors: int | None = None,
    unique: bool | str | Sequence[str] = False,
    unique_for: Seconds | None = None,
    limit: Limit | int | None = None,
    rate: Rate | None = None,
    mask: Sequence[str] = (),
    prepare: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    **extras: Any,
) -> Callable[[Callable[P, R]], Job[P, R]]: ...
def job(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    queue: str = "default",
    priority: int = 0,
    tries: int | None = None,
    backoff: Seconds | Sequence[Seconds] | Backoff | None = None,
    timeout: Seconds | None = None,
    batch: int | None = None,
    threads: int = 1,
    concurrency: int = 1,
    commit_together: int | None = None,
    fail_on: type[BaseException] | tuple[type[BaseException], ...] = (),
    retry_until: Seconds | None = None,
    max_errors: int | None = None,
    unique: bool | str | Sequence[str] = False,
    unique_for: Seconds | None = None,
    limit: Limit | int | None = None,
    rate: Rate | None = None,
    mask: Sequence[str] = (),
    prepare: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    **extras: Any,
) -> Job[P, R] | Callable[[Callable[P, R]], Job[P, R]]:
    """Make a function a job, bare or with options.

    A function that takes a `session` (SQLAlchemy's) or a `connection` (psycopg's), best as its
    first parameter, gets one, and its effects in the database are exactly-once: the slot commits
    them together with the call's end. Without it a call runs at least once. An `async def` job gets
    an AsyncSession or an AsyncConnection.

    `tries`, `backoff` (seconds, a list whose last repeats, or `exponential(...)`) and `timeout`
    (seconds; 0 for none) left open take what the worker was started with. `batch`: run up to so
    many calls together; the function then takes lists. `threads`: a slot runs up to so many calls
    at once, each in a thread of its own, for functions that mostly wait for others; `concurrency`:
    the same for `async def` jobs, on one event loop. `commit_together`: up to so many calls share
    one commit, each behind a savepoint, for jobs whose only effects are in the database: what else
    they do is repeated when the group has to run again. `fail_on`: exceptions that fail the call at
    once, whatever tries are left. `retry_until`: retry until so many seconds after the dispatch,
    instead of counting tries. `max_errors`: fail after so many exceptions. `unique`: True, or the
    names of the arguments that make a call unique: dispatching a duplicate enters nothing and
    returns the live call; with `unique_for`, for so many seconds after the dispatch instead of
    while the call lives. `limit`: a number, or `at_most(3, by="provider_id")`: how many calls run
    at once. `rate`: `per(60, 10)`: how many begin in a time. Both hold across the fleet; a call
    that they stop waits, which costs it nothing. `mask`: the names of arguments whose values pages,
    API, command line and messages show as "•••". `prepare` changes the arguments in the dispatching
    process, before they are stored. Further options are those that the application's middleware
    declares; one that nobody declares is refused when the application is loaded. Raises ValueError
    for an option out of range.
    """

    def make(function: Callable[P, R]) -> Job[P, R]:
        policy = Policy(
            queue=queue,
            priority=priority,
            tries=tries,
            backoff=None if backoff is None else as_backoff(backoff),
            timeout=None if timeout is None else seconds(timeout, "timeout"),
            batch=batch,
            threads=threads,
            concurrency=concurrency,
            commit_together=commit_together,
            fail_on=fail_on if isinstance(fail_on, tuple) else (fail_on,),
            retry_until=None if retry_until is None else seconds(retry_until, "retry_until"),
            max_errors=max_errors,
            unique=None if unique is False else () if unique is True else names(unique, "unique"),
            unique_for=None if unique_for is None else seconds(unique_for, "unique_for"),
            limit=at_most(limit) if isinstance(limit, int) else limit,
            rate=rate,
            mask=names(mask, "mask"),
        )
        made = Job(function, policy, name=name, prepare=prepare, extras=extras)
        declared.append(made)
        return made

    return make if function is None else make(function)
