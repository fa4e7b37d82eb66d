"""The jobs of one application by name, and the middleware around their calls."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from inspect import signature
from typing import Any

from forecourt.jobs.job import Job, declared
from forecourt.jobs.job import job as decorator
from forecourt.jobs.middleware import Middleware, options_of


class WrongJobs(ValueError):
    """Jobs of one application that do not fit together, or do not fit its middleware."""


class Jobs(dict[str, "Job[..., Any]"]):
    """The jobs of one moment by name, as whoever runs their calls has them."""

    def __init__(self, jobs: Mapping[str, Job[..., Any]], middleware: tuple[Middleware, ...]) -> None:
        super().__init__(jobs)
        self.middleware = middleware


class Registry(Mapping[str, Job[..., Any]]):
    """Those of the jobs that this process has declared, and will declare, that `owns` says yes to;
    all of them, unless given.

    Looking into it raises WrongJobs when two of them have one name.
    """

    def __init__(
        self, middleware: Iterable[Middleware] = (), owns: Callable[[Job[..., Any]], bool] = lambda _: True
    ) -> None:
        self.middleware = tuple(middleware)
        """The first is the outermost."""
        self._options = options_of(self.middleware)
        self._owns = owns
        self._latest: Job[..., Any] | None = None
        self._jobs: dict[str, Job[..., Any]] = {}

    def check(self) -> None:
        """Raises WrongJobs when two jobs have one name, or one has an option that neither the
        engine nor the middleware declares.
        """
        for job in self.values():
            if unknown := job.extras.keys() - self._options:
                engine = [name for name in signature(decorator).parameters if name not in ("function", "extras")]
                raise WrongJobs(
                    f"job {job.name} ({_origin(job)}): no such option: {', '.join(sorted(unknown))}; the engine has"
                    f" {', '.join(engine)}; the application's middleware declares"
                    f" {', '.join(sorted(self._options)) or 'none'}"
                )

    def within(self, innermost: Middleware) -> "Registry":
        """The same jobs, with one more around their calls."""
        return Registry((*self.middleware, innermost), self._owns)

    def fixed(self) -> "Jobs":
        """Those of now: what a call imports adds none, and so none of a name that is taken."""
        return Jobs(self._known(), self.middleware)

    def __getitem__(self, name: str) -> Job[..., Any]:
        return self._known()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known())

    def __len__(self) -> int:
        return len(self._known())

    def _known(self) -> dict[str, Job[..., Any]]:
        if declared and declared[-1] is not self._latest:
            known = list(declared)
            self._jobs = _by_name(job for job in known if self._owns(job))
            self._latest = known[-1]
        return self._jobs


def _by_name(jobs: Iterable[Job[..., Any]]) -> dict[str, Job[..., Any]]:
    named: dict[str, Job[..., Any]] = {}
    for job in jobs:
        known = named.get(job.name)
        if known is not None and _origin(known) != _origin(job):
            raise WrongJobs(f"two jobs are named {job.name!r}: {_origin(known)} and {_origin(job)}; give one a name=")
        named[job.name] = job  # the same function once more: its module was loaded again
    return named


def _origin(job: Job[..., Any]) -> str:
    return f"{job.function.__module__}.{job.function.__qualname__}"
