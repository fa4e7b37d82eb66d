"""Asks the conditions of tasks that are due, before anything is locked and each in a thread of its
own: one that is slow, or never answers, holds up its own task and nobody else's."""

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from forecourt.schedule.enqueuing import one_line
from forecourt.schedule.task import Task

log = logging.getLogger("forecourt.clock")

ROUND_WAITS = 0.2
"""Seconds that a round waits for answers; what is not answered by then is looked at in the next
round.
"""

MOST = 50
"""Conditions that are asked at the same time, each in a thread; the others wait for the next round.
A container may have no more than a hundred threads."""

TIMEOUT = 30.0
"""Seconds after which a due time is given up, as failed, whose condition has not answered."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a task does not run: `skipped` when a condition forbids it, `failed` when it could not be
    asked.
    """

    status: Literal["skipped", "failed"]
    why: str


@dataclass(slots=True)
class ConditionCheck:
    """One task's conditions, being asked. `answer` is None for yes."""

    task: Task
    since: float = field(default_factory=time.monotonic)
    answer: Refusal | None = None
    answered: threading.Event = field(default_factory=threading.Event)
    given_up: bool = False
    """Whether a due time has failed for it: an answer that comes still is too old for the next
    one.
    """
    takes_room: bool = True

    def ask(self) -> None:
        """Ask, and note the answer."""
        try:
            why = self.task.passes()
            self.answer = Refusal("skipped", why) if why else None
        except BaseException as error:  # in this thread nobody else hears of it, and no answer would mean yes
            log.exception("condition failed", extra={"task": self.task.name})
            self.answer = Refusal("failed", f"its condition raised {one_line(error)}")
        finally:
            self.answered.set()


class ConditionChecks:
    """What a clock has asked and not used yet."""

    def __init__(self) -> None:
        self._open: dict[str, ConditionCheck] = {}
        self._postponed = False
        self._busy = 0
        self._news = threading.Condition()

    def answers(self, due: Iterable[Task]) -> dict[str, Refusal | None]:
        """Whether these tasks may run, by name: None for yes. Tasks whose conditions have not
        answered yet are missing.
        """
        until = time.monotonic() + ROUND_WAITS
        asked = []
        self._postponed = False
        for task in due:
            if not task.rules.conditions:
                continue
            before = self._open.get(task.name)
            if before is None or (before.given_up and before.answered.is_set()):
                if not self._has_room(until):
                    self._postponed = True
                    continue
                self._open[task.name] = check = ConditionCheck(task)
                with self._news:
                    self._busy += 1
                # A daemon: a condition that hangs must not keep the process from ending.
                threading.Thread(target=self._ask, args=[check], name=f"condition of {task.name}", daemon=True).start()
            asked.append(task)
        answers: dict[str, Refusal | None] = {}
        for task in asked:
            known, answer = self._answer(self._open[task.name], until)
            if known:
                answers[task.name] = answer
        return answers

    def waits(self) -> bool:
        """Whether a task was not asked yet, or a check has not been used: its answer is still to
        come, or came after the round had looked.
        """
        return self._postponed or any(not one.given_up for one in self._open.values())

    def use_up(self, names: Iterable[str]) -> None:
        """Forget answers: the next due time asks anew, except where the last check still hangs."""
        for name in names:
            if name in self._open and self._open[name].answered.is_set():
                del self._open[name]

    def _answer(self, check: ConditionCheck, until: float) -> tuple[bool, Refusal | None]:
        if not check.given_up and check.answered.wait(max(0.0, until - time.monotonic())):
            return True, check.answer
        silent = time.monotonic() - check.since
        if silent < TIMEOUT:
            return False, None
        check.given_up = True
        self._free(check)
        return True, Refusal("failed", f"its condition has not answered for {silent:.0f} s")

    def _has_room(self, until: float) -> bool:
        with self._news:
            return self._news.wait_for(lambda: self._busy < MOST, max(0.0, until - time.monotonic()))

    def _ask(self, check: ConditionCheck) -> None:
        check.ask()
        self._free(check)

    def _free(self, check: ConditionCheck) -> None:
        with self._news:
            self._busy -= check.takes_room
            check.takes_room = False
            self._news.notify()
