"""What a job asks of its workers. Read from the code when a call runs, never stored with the
call.
"""

from dataclasses import dataclass

from forecourt.jobs.backoff import Backoff, Steps
from forecourt.jobs.limits import Limit, Rate
from forecourt.jobs.option_values import seconds, typable, whole

RANGES = {
    "priority": (-32767, 32767, ", lower first"),
    "tries": (0, 32000, ", 0 for no end"),
    "batch": (1, 10_000, " calls"),
    "threads": (1, 100, ""),
    "concurrency": (1, 1000, ""),
    "commit_together": (2, 1000, " calls"),
    "max_errors": (1, 32000, ""),
}
"""What an option that counts may be, and what it means."""

REQUIRED = ("priority", "threads", "concurrency")
"""Those of them that no job leaves open."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A job's rules.

    `tries`: attempts before the call fails for good; 0 means without end. `timeout`: seconds that
    an attempt may run before its process is killed; 0 means as long as it likes. `batch`: how many
    calls run together at most, None for one by one. `threads` and, for coroutines, `concurrency`:
    how many calls a slot runs at once, for jobs that mostly wait for others. `commit_together`: how
    many calls share one commit at most, each behind its savepoint; None for one by one. `fail_on`:
    exceptions that another attempt cannot mend. `retry_until`: seconds after its dispatch until
    which a call is retried, instead of `tries`. `max_errors`: exceptions after which it fails,
    whatever tries are left. `unique`: the arguments that make a call unique, () for all of them;
    `unique_for`: for so many seconds after its dispatch, None while it lives. `limit`: how many run
    at once; `rate`: how many begin in a time; both across the fleet. `mask`: the arguments whose
    values are shown to nobody. tries, backoff and timeout that a job leaves open (None) take what
    the worker was started with.
    """

    queue: str = "default"
    priority: int = 0
    tries: int | None = None
    backoff: Backoff | None = None
    timeout: float | None = None
    batch: int | None = None
    threads: int = 1
    concurrency: int = 1
    commit_together: int | None = None
    fail_on: tuple[type[BaseException], ...] = ()
    retry_until: float | None = None
    max_errors: int | None = None
    unique: tuple[str, ...] | None = None
    unique_for: float | None = None
    limit: Limit | None = None
    rate: Rate | None = None
    mask: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        typable(self.queue, "queue", without=",")
        for option, (least, most, meaning) in RANGES.items():
            number = getattr(self, option)
            if number is not None or option in REQUIRED:
                whole(number, option, least, most, meaning)
        if self.timeout is not None:
            seconds(self.timeout, "timeout")
        if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in self.fail_on):
            raise ValueError(f"fail_on: expected an exception, or (KeyError, PermissionError), not {self.fail_on!r}")
        if self.limit is not None and not isinstance(self.limit, Limit):
            raise ValueError(f"limit: expected a number, or at_most(3, by=...), not {self.limit!r}")
        if self.rate is not None and not isinstance(self.rate, Rate):
            raise ValueError(f"rate: expected per(60, 10), ten in a minute, not {self.rate!r}")
        if self.batch is not None and (self.limit or self.rate):
            raise ValueError("batch: calls that run together cannot be limited one by one; leave out limit= and rate=")
        if self.batch is not None and self.threads > 1:
            raise ValueError("batch: calls that run together have one thread; leave out threads=")
        if self.commit_together is not None and (self.batch is not None or self.at_once > 1):
            raise ValueError(
                "commit_together: calls that share a commit run one after the other; leave out batch=, threads="
            )
        if self.unique_for is not None and self.unique is None:
            raise ValueError("unique_for: says for how long calls are unique, so unique= must say by what")

    @property
    def at_once(self) -> int:
        """How many calls a slot runs at the same time."""
        return max(self.threads, self.concurrency)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a worker applies where a job is silent. The figures are those of the reference
    framework's `queue:work`, but for tries and backoff: a night shift that gives up after one
    attempt wakes somebody for every hiccup."""

    tries: int = 3
    timeout: float = 60
    backoff: Backoff = Steps((10, 30, 60))

    def tries_of(self, policy: Policy) -> int:
        return self.tries if policy.tries is None else policy.tries

    def backoff_of(self, policy: Policy) -> Backoff:
        return self.backoff if policy.backoff is None else policy.backoff

    def timeout_of(self, policy: Policy) -> float | None:
        """Seconds, or None where the job or the worker said 0."""
        return (self.timeout if policy.timeout is None else policy.timeout) or None
