"""The one loop around every background duty: wait, do one round, survive errors."""

import logging
import random
import threading
from abc import ABC, abstractmethod
from functools import cached_property

from forecourt.waiting import Waiter

log = logging.getLogger("forecourt.agent")


class Agent(ABC):
    """A background duty of a worker. `every`: seconds between two rounds; `longest_backoff`: at
    most so many after errors.
    """

    every: float
    longest_backoff = 10.0

    @cached_property
    def waiter(self) -> Waiter:
        """What its loop waits with between two rounds."""
        return Waiter()

    def poke(self) -> None:
        """Have the next round begin at once."""
        self.waiter.wake()

    @abstractmethod
    def run_once(self) -> int:
        """Do one round, in transactions of its own. Returns how much there was to do."""

    def close(self) -> None:  # noqa: B027 - most have nothing
        """Let go of what it keeps between two rounds, after the last."""


class Loop(threading.Thread):
    """Runs an agent until it is stopped. Errors are logged and the next round waits longer, as long
    as the agent lets it.

    Stopping twice, or before it was started, does nothing.
    """

    def __init__(self, agent: Agent) -> None:
        super().__init__(name=type(agent).__name__.lower(), daemon=True)
        self._agent = agent
        self._stopping = False

    def run(self) -> None:
        errors = 0
        while not self._stopping:
            try:
                self._agent.run_once()
                errors = 0
                wait = self._agent.every * random.uniform(0.9, 1.1)  # noqa: S311 - workers should not march in step
            except Exception as error:
                errors += 1
                wait = min(self._agent.every * 2**errors, self._agent.longest_backoff)
                log.warning("%s failed, again in %.1f s: %s", self.name, wait, error, exc_info=errors == 3)
            self._agent.waiter.wait(wait)
        self._agent.close()
        self._agent.waiter.close()

    def stop(self) -> None:
        """Ask it to end after its round. May be called again."""
        self._stopping = True
        self._agent.poke()

    def await_end(self, patience: float) -> None:
        """Wait at most `patience` seconds until it has ended, if it was ever started."""
        if self.is_alive():
            self.join(patience)
