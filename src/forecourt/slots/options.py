"""What `forecourt queue work` can be told. The words and their meaning are the reference
framework's.
"""

from dataclasses import dataclass

from forecourt.durations import LONGEST
from forecourt.jobs.option_values import typable
from forecourt.jobs.policy import Defaults


@dataclass(frozen=True, slots=True)
class WorkOptions:
    """A worker's options; every duration is in seconds.

    `sleep`: how often an idle worker looks by itself, whatever notifications say. `rest`: pause of
    a slot between two calls. `max_jobs`, `max_time`, `memory` (MiB of one slot): stop in order when
    reached, 0 for never. `shutdown_timeout`: how long running calls may still take once the worker
    was asked to stop. `stop_grace`: how long whatever runs the worker waits for it, until it kills;
    0 where nobody does.
    """

    queues: tuple[str, ...] = ("high", "medium", "low", "default")
    processes: int = 4
    defaults: Defaults = Defaults()
    sleep: float = 1.0
    rest: float = 0.0
    max_jobs: int = 0
    max_time: float = 0.0
    memory: int = 1024
    once: bool = False
    stop_when_empty: bool = False
    shutdown_timeout: float = 30.0
    stop_grace: float = 0.0

    def __post_init__(self) -> None:
        if not self.queues:
            raise ValueError("--queue: name at least one queue, such as high,medium,low")
        for queue in self.queues:
            typable(queue, "--queue", without=",")
        if len(set(self.queues)) < len(self.queues):
            raise ValueError(f"--queue: {','.join(self.queues)} names a queue twice")
        if not 1 <= self.processes <= 256:
            raise ValueError(f"--processes: expected 1 to 256, not {self.processes}")
        if not 0 < self.sleep <= LONGEST:
            raise ValueError(f"--sleep: expected more than 0 seconds, at most {LONGEST:.0f}, not {self.sleep:g}")
        for name in ("rest", "max_jobs", "max_time", "memory", "shutdown_timeout", "stop_grace"):
            if getattr(self, name) < 0:
                raise ValueError(f"--{name.replace('_', '-')}: must not be negative, not {getattr(self, name)}")
            if not getattr(self, name) <= LONGEST:
                raise ValueError(f"--{name.replace('_', '-')}: at most {LONGEST:.0f}, not {getattr(self, name)}")
        if 0 < self.stop_grace <= self.shutdown_timeout:
            raise ValueError(
                f"--stop-grace {self.stop_grace:g}: must be longer than --shutdown-timeout {self.shutdown_timeout:g}, "
                "or the worker is killed while it waits for its calls"
            )
