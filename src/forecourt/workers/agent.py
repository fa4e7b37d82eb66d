"""The one loop around every background duty: wait, do one round, survive errors."""

import logging
import random
import threading
from abc import ABC, abstractmethod

log = logging.getLogger("forecourt.agent")

LONGEST_BACKOFF = 10.0


class Agent(ABC):
    """A background duty of a worker. `every`: seconds between two rounds."""

    every: float

    @abstractmethod
    def run_once(self) -> int:
        """Do one round, in transactions of its own. Returns how much there was to do."""


class Loop(threading.Thread):
    """Runs an agent until it is stopped. Errors are logged and the next round waits longer, up to ten seconds.

    Stopping twice, or before it was started, does nothing.
    """

    def __init__(self, agent: Agent) -> None:
        super().__init__(name=type(agent).__name__.lower(), daemon=True)
        self._agent = agent
        self._stop_asked = threading.Event()

    def run(self) -> None:
        errors = 0
        wait = 0.0
        while not self._stop_asked.wait(wait):
            try:
                self._agent.run_once()
                errors = 0
                wait = self._agent.every * random.uniform(0.9, 1.1)  # noqa: S311 - workers should not march in step
            except Exception as error:
                errors += 1
                wait = min(self._agent.every * 2**errors, LONGEST_BACKOFF)
                log.warning("%s failed, again in %.1f s: %s", self.name, wait, error, exc_info=errors == 3)

    def stop(self) -> None:
        """Ask it to end, and wait while it finishes its round."""
        self._stop_asked.set()
        if self.is_alive():
            self.join(timeout=5)
