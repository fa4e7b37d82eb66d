"""What a worker needs to know of a job to handle its calls, looked up once a job instead of once a call."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from forecourt.jobs.job import Job
from forecourt.jobs.policy import Defaults, Policy


class Terms(NamedTuple):
    """A job's policy, and what follows from it and the worker's defaults. `together`: calls in one bundle at most. `threads`:
    bundles that a slot executes at once. `timeout` in seconds, None for none."""

    job: str
    together: int
    threads: int
    timeout: float | None
    policy: Policy


class TermsByJob(dict[str, Terms]):
    """The terms of each job; those of a job that this worker does not know are the defaults'."""

    def __init__(self, jobs: Mapping[str, Job[..., Any]], defaults: Defaults) -> None:
        super().__init__()
        self._jobs = jobs
        self._defaults = defaults

    def __missing__(self, job: str) -> Terms:
        policy = self._jobs[job].policy if job in self._jobs else Policy()
        timeout = self._defaults.timeout_of(policy)
        self[job] = Terms(job, policy.batch or 1, policy.threads, timeout, policy)
        return self[job]
