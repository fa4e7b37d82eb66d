"""A slot: a process that works in rounds. It claims some calls, runs them one after the other, and
writes their ends with the next claim.

It is forked from the fork server, so the application is loaded. It hears little: a byte that says
"look, there may be something", and the end of that channel, which is its supervisor's. When to
stop, and what takes too long, is the supervisor's to see.
"""

import gc
import logging
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from forecourt.database.engine import rename
from forecourt.database.job_connection import name_job_connections
from forecourt.database.kept_connection import KeptConnection
from forecourt.jobs.policy import Policy
from forecourt.jobs.registry import Jobs
from forecourt.process import die_with_parent, entitle
from forecourt.slots import markers
from forecourt.slots.channels import Channels, SupervisorGone
from forecourt.slots.completion import Completion
from forecourt.slots.concurrent import Concurrent
from forecourt.slots.executor import Executor
from forecourt.slots.footprint import Footprint
from forecourt.slots.group import Groups
from forecourt.slots.holding import Holding
from forecourt.slots.inheritance import inherit
from forecourt.slots.log_capture import LogCapture
from forecourt.slots.markers import Page
from forecourt.slots.messages import Birth
from forecourt.slots.pace import Pace
from forecourt.slots.rounds import Rounds
from forecourt.slots.transitions import over_before
from forecourt.store.ready import Claimed
from forecourt.store.workers import jobs_name

log = logging.getLogger("forecourt.slot")

LONGEST_BACKOFF = 5.0
LAST_BACKOFF = 0.5
"""Seconds between two tries to write the last outcomes, when the slot only waits for that to
end.
"""

R = TypeVar("R")


def run_slot(birth: Birth, channels: Channels, page: Page, jobs: Jobs) -> None:
    """Work until the supervisor says stop, or is gone."""
    parent = os.getppid()
    die_with_parent()
    if os.getppid() != parent:
        return
    entitle(f"forecourt slot {birth.number} of worker {birth.worker}")
    name = jobs_name(birth.worker, birth.number)
    rename(name)
    name_job_connections(name)
    slot = Slot(birth, channels, page, jobs)
    gc.freeze()
    # Calls come and go by the thousand without cycles: looking for some took a fifth of the time.
    gc.set_threshold(50_000)
    with suppress(SupervisorGone):
        slot.live()


class Slot:
    """One slot. `holding` is what it has in hand, as others see it."""

    def __init__(self, birth: Birth, channels: Channels, page: Page, jobs: Jobs) -> None:
        self._death = birth.death
        self._options = birth.options
        self.channels = channels
        self._policies: dict[str, Policy] = {name: job.policy for name, job in jobs.items()}
        self._together = {name for name, policy in self._policies.items() if policy.batch or policy.commit_together}
        self._concurrent_jobs = {name for name, job in jobs.items() if job.is_async or job.policy.at_once > 1}
        self._expiring = {name for name, policy in self._policies.items() if policy.retry_until is not None}
        timeouts = {name: birth.options.defaults.timeout_of(job.policy) for name, job in jobs.items()}
        holding = Holding(page, channels.permits, timeouts)
        self.page = page
        self.holding = holding
        self.rounds = Rounds(birth.options, jobs, birth.worker, birth.number, holding.ended, holding.tokens)
        capture = LogCapture()
        capture.listen()
        self._executor = Executor(jobs, capture, KeptConnection())
        self._groups = Groups(self._executor, jobs, capture)
        self._concurrent = Concurrent(self, jobs, capture, jobs_name(birth.worker, birth.number))
        self._pace = Pace(birth.options.processes)
        self._footprint = Footprint()
        threading.Thread(target=self._flush_when_asked, name="flush", daemon=True).start()

    def live(self) -> None:
        """Until it is to stop and everything that it ran is written."""
        if self._death is not None:
            death = self._death
            suspects = self.persist(lambda: inherit(self.rounds, self.page, death))
            self.page.words[markers.PID] = os.getpid()
            self._run(suspects or [], alone=True)
        self.page.words[markers.PID] = os.getpid()
        while True:
            claimed = self.persist(lambda: self.exchange(self._limit()))
            if claimed:
                self._run(claimed)
            elif self.is_stopping and not self.rounds.ended:
                self.page.clear()
                return
            elif not self.rounds.found and not self.rounds.ended:
                self._idle()

    @property
    def is_stopping(self) -> bool:
        """Whether it is to claim nothing more."""
        return bool(self.page.words[markers.STOP])

    def exchange(self, limit: int) -> list[Claimed]:
        """One round's transaction. Returns what was claimed and may begin; whatever may not is over
        already. Raises what the database raises."""
        words = self.page.words
        claimed = self.rounds.round(limit, fill=words[markers.ALLOWED] < 0)
        self.holding.note_written()
        words[markers.CLAIMED] += len(claimed)
        if limit:
            self._pace.claimed(limit, self.rounds.found)
        if limit and self.rounds.found >= limit and words[markers.WANTED]:
            words[markers.CUT_OFF] += 1
            self.channels.tell()
        return [call for call in claimed if self._is_fresh(call) or not self._is_over(call)]

    # -- running a round ---------------------------------------------------------------------------

    def _run(self, calls: Sequence[Claimed], *, alone: bool = False) -> None:
        """Run calls in order, as far as they are not taken back. `alone`: each by itself, whatever
        its job says.
        """
        while calls:
            self.page.clear()
            self.holding.hold(list(enumerate(calls)))
            calls = self._run_held(calls, alone=alone)

    def _run_held(self, calls: Sequence[Claimed], *, alone: bool) -> Sequence[Claimed]:
        """Returns those that were claimed on the way and are to be run next."""
        row = 0
        while row < len(calls):
            job = calls[row].job
            beside = job in self._concurrent_jobs
            if not beside and (alone or job not in self._together):
                if not self.holding.take_permit(calls[row]):
                    return ()
                self.holding.mark(row, 1, job)
                self._end(row, [self._executor.run(calls[row])])
                row += 1
                continue
            stretch = calls[row : row + 1] if alone else _stretch(calls, row)
            if beside:
                ran = self._concurrent.run(row, stretch, more=not alone and row + len(stretch) == len(calls))
                self._footprint.restore()
                if ran.later:
                    return self._still_mine(ran.later)
                whole = ran.whole
            else:
                whole = self._run_together(row, stretch, self._policies[job])
            if not whole:
                return ()
            row += len(stretch)
        return ()

    def _run_together(self, row: int, stretch: Sequence[Claimed], policy: Policy) -> bool:
        """Run neighbours of one job in batches, or in groups. False when some were taken back."""
        done = 0
        while done < len(stretch):
            first, rest = row + done, stretch[done:]
            if policy.batch is not None:
                wanted = min(policy.batch, len(rest))
                begun = self.holding.begin(first, wanted, rest[0].job)
                completions = self._executor.run_batch(rest[:begun]) if begun else []
                cut = begun < wanted
            else:
                completions, cut = self._groups.run(
                    rest,
                    lambda n, first=first, job=rest[0].job: self.holding.begin_beside(first, n, job),  # type: ignore[misc]
                    lambda n, first=first, job=rest[0].job: self.holding.mark(first + n, 1, job),  # type: ignore[misc]
                )
            if completions:
                self._end(first, completions)
            if cut:
                return False
            done += len(completions)
        return True

    def _still_mine(self, calls: Sequence[Claimed]) -> Sequence[Claimed]:
        """Those of the claimed calls that nobody took back; they get new rows, after everything
        that has ended is written.
        """
        mine = self.holding.take_back(calls)
        self.persist(self.rounds.flush)
        return mine

    def _end(self, row: int, completions: Sequence[Completion]) -> None:
        """Calls are over: note it where it outlives this process, and put the process back as it
        was.
        """
        self.channels.permits.check()
        for completion in completions:
            self.holding.end(row, completion)
            row += 1
        words = self.page.words
        words[markers.LOW] = words[markers.HIGH]
        self._pace.learn(completions)
        self._footprint.restore()
        if words[markers.WRITTEN] > markers.NEARLY_FULL:
            self.persist(self.rounds.flush)
            words[markers.WRITTEN] = 0
        if self._options.rest:
            self.channels.wait(self._options.rest)

    def _is_fresh(self, call: Claimed) -> bool:
        """Whether nothing can have ended a call before it began."""
        return call.past is None and call.job not in self._expiring

    def _is_over(self, call: Claimed) -> bool:
        """Whether a claimed call must not begin any more; then that is its end."""
        outcome = over_before(call, self._policies.get(call.job, ORDINARY), self._options.defaults)
        if outcome is None:
            return False
        self.holding.end_unbegun(Completion(call, outcome, 0.0))
        return True

    def _limit(self) -> int:
        """How many calls to claim: what is about 20 ms of work."""
        return 0 if self.is_stopping else self.allowed(1 if self._options.rest else self._pace.calls())

    def allowed(self, wanted: int) -> int:
        """So many of the wanted calls as it may claim."""
        words = self.page.words
        most = words[markers.ALLOWED]
        return wanted if most < 0 else max(0, min(wanted, most - words[markers.CLAIMED]))

    # -- waiting -----------------------------------------------------------------------------------

    def _idle(self) -> None:
        """Wait until there may be something to claim."""
        self.page.clear()
        self.say_idle()
        self.channels.hear()

    def say_idle(self) -> None:
        """Tell the supervisor that there was nothing to claim."""
        self.page.words[markers.IDLE] += 1
        self.channels.tell()

    def persist(self, act: Callable[[], R]) -> R | None:
        """Do what needs the database until it succeeds. None when the slot is to stop, and nothing
        is lost if it does.
        """
        errors = 0
        while True:
            try:
                return act()
            except Exception as error:  # noqa: BLE001 - whatever it is, outcomes must not die with this process
                errors += 1
                wait = min(0.1 * 2**errors, LAST_BACKOFF if self.is_stopping else LONGEST_BACKOFF)
                log.warning("round failed, again in %.1f s: %s", wait, str(error).strip() or type(error).__name__)
                if self.is_stopping and not self.rounds.ended and not self.page.words[markers.HELD]:
                    return None
                self.channels.wait(wait)

    def _flush_when_asked(self) -> None:
        """In a thread beside: while a call takes long, what ended before it is written."""
        while self.channels.flush.recv(64):
            try:
                self.rounds.flush()
                self.holding.note_written()
            except Exception as error:  # noqa: BLE001 - the next round writes them
                log.warning("not written yet: %s", str(error).strip() or type(error).__name__)


ORDINARY = Policy()
"""Of a job that this process does not know."""


def _stretch(calls: Sequence[Claimed], begin: int) -> Sequence[Claimed]:
    """The calls from there on that are of the same job."""
    end = begin
    while end < len(calls) and calls[end].job == calls[begin].job:
        end += 1
    return calls[begin:end]
