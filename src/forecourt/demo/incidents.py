"""What went wrong on purpose, as the calls' own rows and histories tell it."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt.database import in_transaction_of
from forecourt.demo import jobs
from forecourt.demo.burst import STEPS
from forecourt.demo.night import Night
from forecourt.store import overview
from forecourt.store.overview import Found

WALKED = text("SELECT step, pid FROM demo.steps WHERE night = :night ORDER BY step")


@dataclass(frozen=True, slots=True)
class Incident:
    """A call that something happened to, in words. `off` is what is not as intended, if
    anything.
    """

    job: str
    call: int
    words: str
    off: str | None


def incidents(tx: Session, night: Night) -> tuple[Incident, ...]:
    """The call that fails for good, the one that never ends, and the one whose slot was killed."""
    connection = in_transaction_of(tx)
    charge = overview.find(connection, night.sent.charge)
    registry = overview.find(connection, night.sent.registry)
    walk = overview.find(connection, night.sent.walk)
    walked = [tuple(row) for row in tx.execute(WALKED, {"night": night.number})]
    return (
        _failed(jobs.charge_expired_card.name, night.sent.charge, charge, "CardExpired", attempts=2),
        _failed(jobs.ask_silent_registry.name, night.sent.registry, registry, "TimedOut", attempts=1),
        _killed(jobs.walk_the_lot.name, night.sent.walk, walk, walked),
    )


def _failed(job: str, id: int, call: Found | None, error: str, *, attempts: int) -> Incident:
    if call is None or call.state != "failed":
        state = "nowhere" if call is None else call.state
        return Incident(job, id, f"is {state}", f"call {id} of {job} is {state}, and was to fail with {error}")
    words = f"failed for good after {call.attempts} attempt{'s' if call.attempts > 1 else ''}: {call.error}"
    name = (call.error or "").partition(":")[0].rpartition(".")[2]
    expected = call.attempts == attempts and name == error
    return Incident(job, id, words, None if expected else f"call {id} of {job} {words}; expected {error}")


def _killed(job: str, id: int, call: Found | None, walked: list[tuple[int, int]]) -> Incident:
    pids = list(dict.fromkeys(pid for _, pid in walked))
    died = [entry for entry in call.history if entry["outcome"] == "SlotDied"] if call is not None else []
    whole = [step for step, _ in walked] == list(range(1, STEPS + 1))
    if call is None or call.state != "finished" or len(pids) != 2 or len(died) != 1 or not whole:
        state = "nowhere" if call is None else call.state
        words = f"is {state} after {len(walked)} of {STEPS} steps in {len(pids)} slots, of which {len(died)} died"
        return Incident(job, id, words, f"call {id} of {job} {words}; one was to be killed, and another to go on")
    before = sum(pid == pids[0] for _, pid in walked)
    words = (
        f"slot {pids[0]} was killed with SIGKILL after {before} of {STEPS} steps; attempt {call.attempts} in slot "
        f"{pids[1]} went on at step {before + 1} and finished"
    )
    return Incident(job, id, words, None)
