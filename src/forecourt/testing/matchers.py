"""What an assertion looks for: a job, and some of its arguments."""

from collections.abc import Mapping
from dataclasses import dataclass
from reprlib import Repr
from typing import Any

from forecourt.jobs.arguments import WrongArguments
from forecourt.jobs.definition import Definition
from forecourt.jobs.plan import Plan

A_JOB = "expected a job, that is a function under @job"

_brief = Repr()
_brief.maxstring = _brief.maxother = 60


@dataclass(frozen=True, slots=True)
class CallMatcher:
    """Calls of a job whose arguments include these.

    Raises TypeError for something that is no job, WrongArguments for an argument that the job does
    not take: no call could ever fit, and an assertion that there is none would hold for the wrong
    reason.
    """

    job: Definition[..., Any]
    args: Mapping[str, Any]

    def __post_init__(self) -> None:
        takes = require_job(self.job).arguments.described()
        if unknown := [name for name in self.args if name not in takes]:
            raise WrongArguments(
                f"{self.job.name}: no such argument: {', '.join(map(repr, unknown))} (it takes {', '.join(takes) or 'none'})"
            )

    @classmethod
    def of(cls, given: Definition[..., Any] | Plan) -> "CallMatcher":
        """Any call of a job, or the very call that `job.call(...)` plans."""
        return cls(given.job, given.args) if isinstance(given, Plan) else cls(given, {})

    def matches(self, job: Any, args: Mapping[str, Any]) -> bool:
        """Whether a call of `job` with `args`, all of them, is one of these."""
        return job is self.job and all(name in args and args[name] == value for name, value in self.args.items())

    def __str__(self) -> str:
        return call_text(self.job, self.args) if self.args else self.job.name


def require_job(given: Any) -> Definition[..., Any]:
    """`given`, if it is a job. Raises TypeError."""
    if not isinstance(given, Definition):
        raise TypeError(f"{A_JOB}, not {_brief.repr(given)}")
    return given


def call_text(job: Definition[..., Any], args: Mapping[str, Any]) -> str:
    """A call as it would be written, long values cut short."""
    return f"{job.name}({', '.join(f'{name}={_brief.repr(value)}' for name, value in args.items())})"


def as_received(job: Definition[..., Any], args: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as the function gets them: checked, gone through JSON, defaults filled in.
    Raises WrongArguments.
    """
    return job.arguments.load(job.arguments.dump(args))
