"""What a job is: a named function with a policy, and the arguments that it takes. How it is
dispatched builds on this.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

from forecourt.jobs.arguments import Arguments
from forecourt.jobs.option_values import typable
from forecourt.jobs.policy import Policy

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import Session

    class Given(Session, AsyncSession, psycopg.Connection[Any], psycopg.AsyncConnection[Any]):  # type: ignore[misc]
        """Fits whichever of them a function's first parameter is, and nothing else: so checkers
        know the functions that a slot hands its transaction to.
        """


P = ParamSpec("P")
"""What a job's function takes."""
Q = ParamSpec("Q")
"""The same without the transaction that comes first: what a dispatch gives."""
R = TypeVar("R")


class Transactional(Protocol[Q]):
    """A job whose function takes its transaction first. There is no way to tell checkers of a
    parameter's name, so they take one that stands elsewhere for an argument.
    """

    @property
    def function(self) -> "Callable[Concatenate[Given, Q], Any]": ...


class Definition(Generic[P, R]):
    """A named function with a policy. Calling it runs the function here and now."""

    def __init__(
        self,
        function: Callable[P, R],
        policy: Policy,
        *,
        name: str | None = None,
        prepare: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        extras: Mapping[str, Any] | None = None,
    ) -> None:
        self.function = function
        self.name = str(getattr(function, "__name__", type(function).__name__)) if name is None else name
        if not inspect.isfunction(function):
            raise TypeError(
                f"job {self.name}: expected a function defined by def, not {function!r}; wrap it in one; options are named, as in "
                "@job(queue='low')"
            )
        typable(self.name, "job")
        if self.name == "<lambda>":
            raise TypeError("job: a lambda has no name by which a worker could find it; give it one: name=")
        if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
            raise TypeError(
                f"job {self.name}: a function with yield cannot be a job: calling it only makes an object, and nothing of it would "
                "run; write a function that uses up the generator"
            )
        self.is_async = inspect.iscoroutinefunction(function)
        """Whether its calls are coroutines on a slot's event loop."""
        _check_kind(self.name, policy, self.is_async)
        if prepare is not None and not callable(prepare):
            raise TypeError(f"job {self.name}: prepare: expected a function of the arguments, not {prepare!r:.80}")
        self.policy = policy
        self.prepare = prepare
        self.extras: Mapping[str, Any] = extras or {}
        self.arguments = Arguments(self.name, function, batched=policy.batch is not None, mask=policy.mask)
        if policy.commit_together is not None and self.takes is None:
            raise ValueError(f"job {self.name}: commit_together= is for jobs that take a session or a connection")
        for option, names in (
            ("unique", policy.unique),
            ("limit", policy.limit and policy.limit.by),
            ("rate", policy.rate and policy.rate.by),
            ("mask", policy.mask),
        ):
            unknown = set(names or ()) - set(self.arguments.described())
            if unknown:
                raise ValueError(
                    f"job {self.name}: {option}= names {', '.join(sorted(unknown))}, which it does not take; it takes "
                    f"{', '.join(self.arguments.described()) or 'nothing'}"
                )
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<job {self.name} on {self.policy.queue}>"

    @property
    def takes(self) -> str | None:
        """session or connection, if its effects in the database are exactly-once: the slot commits
        them together with the call's end."""
        return self.arguments.takes

    @property
    def is_limited(self) -> bool:
        """Whether a claimed call may have to wait for others."""
        return self.policy.limit is not None or self.policy.rate is not None

    def check(self, args: Mapping[str, Any]) -> None:
        """Raise WrongArguments unless a call with these arguments could be dispatched, before they
        are prepared.
        """
        if self.prepare is None:
            self.arguments.dump(args)
        else:
            self.arguments.checked(args)


def _check_kind(name: str, policy: Policy, is_async: bool) -> None:
    if is_async and (policy.batch is not None or policy.threads > 1 or policy.commit_together is not None):
        raise ValueError(f"job {name}: an async function runs beside others by concurrency=; leave out the others")
    if not is_async and policy.concurrency > 1:
        raise ValueError(f"job {name}: concurrency= is for `async def` functions; threads= does the same for others")
