"""Right and wrong ways to name a job's arguments, for type checkers to read: nothing here runs. A
line that ends with `refused` must be an error, every other one must not.
"""

from typing import Any, assert_type

import psycopg
from sqlalchemy.ext.asyncio import AsyncSession

from forecourt import Call, Session, Timetable, Workflow, chain, job
from forecourt.jobs.job import Job


@job
def plain(listing_id: int, note: str = "") -> dict[str, Any]:
    return {"listing": listing_id, "note": note}


@job(queue="low", tries=3)
def settle(session: Session, listing_id: int, payload: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"new": session.new, "listing": listing_id, "payload": payload}


@job
def touch(connection: psycopg.Connection[Any], *, listing_id: int) -> None: ...


@job(concurrency=10)
async def fetch(session: AsyncSession, plate: str) -> int:
    return len(plate)


@job(batch=100)
def count(session: Session, listing_id: list[int]) -> None: ...


@job
def echo(value: Any) -> None: ...


@job
def nothing() -> None: ...


@job
def late(listing_id: int, *, session: Session) -> None: ...


@job
def say_sorry(failure: dict[str, object], listing_id: int) -> None: ...


@job
def record(session: Session, batch: dict[str, Any]) -> None: ...


def right(session: Session, found: Any) -> None:
    assert_type(plain.dispatch(listing_id=7, note="new"), Call)
    plain.dispatch(listing_id=found.id)
    settle.dispatch(listing_id=7, payload={"colour": "red"})
    settle.using(delay=60, session=session).dispatch(listing_id=found.id)
    touch.dispatch(listing_id=7)
    count.dispatch(listing_id=7)
    echo.dispatch(value=[1])
    nothing.dispatch()
    assert_type(settle(session, listing_id=7), dict[str, Any])
    chain(plain.call(listing_id=7), nothing.call()).catch(say_sorry.call(listing_id=7)).dispatch()
    record.call()
    workflow = Workflow()
    first = workflow.add(plain.call(listing_id=7))
    workflow.add(settle.call(listing_id=7, payload=first.result))
    timetable = Timetable()
    timetable.add(plain, listing_id=7).daily()
    timetable.add(settle, listing_id=7, payload={}).hourly()
    timetable.add(count, listing_id=7).monthly()
    timetable.add(settle, name="settle the second", listing_id=8).daily()
    timetable.group("night").add(nothing)
    timetable.group("night").add(touch, listing_id=7)
    known: Job[..., Any] = settle
    known.dispatch(anything=True)


async def right_from_a_coroutine(session: AsyncSession) -> None:
    assert_type(await fetch.adispatch(plate="A 1"), Call)
    await fetch.using(session=session).adispatch(plate="A 1")
    assert_type(await fetch(session, plate="A 1"), int)


def wrong() -> None:
    plain.dispatch()  # refused
    plain.dispatch(listing_id="7")  # refused
    plain.dispatch(listing=7)  # refused
    settle.dispatch(listing_id="7")  # refused
    settle.dispatch(listing_id=7, payload=["red"])  # refused
    settle.dispatch(listing=7)  # refused
    settle.using(delay=60).dispatch(listing_id="7")  # refused
    touch.dispatch(listing_id="7")  # refused
    touch.dispatch(7)  # refused
    nothing.dispatch(listing_id=7)  # refused
    late.dispatch(listing_id=7)  # refused
    say_sorry.call(listing_id="7")  # refused
    plain.call(listing="7")  # refused
    settle(listing_id=7)  # refused
    job(plain.function, tries=3)  # refused
    plain.dispatch_many([7])  # refused
    timetable = Timetable()
    timetable.add(plain)  # refused
    timetable.add(plain, listing_id="7")  # refused
    timetable.add(settle, listing=7)  # refused
    timetable.add(settle, listing_id=7, payload=["red"])  # refused
    timetable.group("night").add(nothing, listing_id=7)  # refused
    timetable.group("night").add(touch)  # refused


async def wrong_from_a_coroutine(session: AsyncSession) -> None:
    await fetch.adispatch(plate=7)  # refused
    await fetch.using(session=session).adispatch(number="A 1")  # refused
