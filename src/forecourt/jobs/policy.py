"""What a job asks of its workers. Read from the code when a call runs, never stored with the
call.
"""

from dataclasses import dataclass

from forecourt.durations import LONGEST
from forecourt.jobs.backoff import Backoff, Steps, is_whole
from forecourt.jobs.limits import Limit, Rate


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
        if (
            not isinstance(self.queue, str)
            or not self.queue
            or len(self.queue) > 200
            or not self.queue.isprintable()
            or "," in self.queue
        ):
            raise ValueError(f"queue: {self.queue!r} is not a name (printable, without commas, at most 200 characters)")
        if not is_whole(self.priority) or not -32768 < self.priority < 32768:
            raise ValueError(
                f"priority: expected a number between -32767 and 32767, lower first, not {self.priority!r}"
            )
        for name in ("tries", "batch", "threads", "concurrency", "commit_together", "max_errors"):
            number = getattr(self, name)
            if number is not None and not is_whole(number):
                raise ValueError(f"{name}: expected a whole number, not {number!r}")
        if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in self.fail_on):
            raise ValueError(f"fail_on: expected an exception, or (KeyError, PermissionError), not {self.fail_on!r}")
        if self.limit is not None and not isinstance(self.limit, Limit):
            raise ValueError(f"limit: expected a number, or at_most(3, by=...), not {self.limit!r}")
        if self.rate is not None and not isinstance(self.rate, Rate):
            raise ValueError(f"rate: expected per(60, 10), ten in a minute, not {self.rate!r}")
        if self.tries is not None and not 0 <= self.tries <= 32000:
            raise ValueError(f"tries: expected 0 (without end) to 32000, not {self.tries!r}")
        if self.timeout is not None and not 0 <= self.timeout <= LONGEST:
            raise ValueError(f"timeout: expected seconds, 0 for none, at most {LONGEST:.0f}, not {self.timeout!r}")
        if self.batch is not None and (self.limit or self.rate):
            raise ValueError("batch: calls that run together cannot be limited one by one; leave out limit= and rate=")
        if not 1 <= self.threads <= 100:
            raise ValueError(f"threads: expected 1 to 100, not {self.threads!r}")
        if not 1 <= self.concurrency <= 1000:
            raise ValueError(f"concurrency: expected 1 to 1000, not {self.concurrency!r}")
        if self.batch is not None and self.threads > 1:
            raise ValueError("batch: calls that run together have one thread; leave out threads=")
        if self.commit_together is not None and not 2 <= self.commit_together <= 1000:
            raise ValueError(f"commit_together: expected 2 to 1000 calls, not {self.commit_together!r}")
        if self.commit_together is not None and (self.batch is not None or self.at_once > 1):
            raise ValueError(
                "commit_together: calls that share a commit run one after the other; leave out batch=, threads="
            )
        if self.max_errors is not None and self.max_errors < 1:
            raise ValueError(f"max_errors: expected 1 or more, not {self.max_errors!r}")
        if self.unique_for is not None and self.unique is None:
            raise ValueError("unique_for: says for how long calls are unique, so unique= must say by what")
        if self.batch is not None and not 1 <= self.batch <= 10_000:
            raise ValueError(f"batch: expected 1 to 10000 calls, not {self.batch!r}")

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
