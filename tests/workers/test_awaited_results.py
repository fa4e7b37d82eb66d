"""What a call returns can be waited for, by whoever dispatched it."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy.orm import Session

import workshop
from fleet import Looking, Process, wait_until, work_until_empty, worker
from forecourt import CallCancelled, CallDiscarded, CallFailed
from forecourt.database import engine
from forecourt.jobs import awaiting
from forecourt.settings import settings


def test_a_result_comes_as_json_gives_it_back_and_an_end_without_one_raises(looking: Looking) -> None:
    with worker():
        assert workshop.echo.dispatch(value=7).result(timeout=30) == 7
        assert workshop.nothing.dispatch().result(timeout=30) is None
        with pytest.raises(CallFailed, match=r"call \d+ of fail failed: ValueError: ") as failed:
            workshop.fail.dispatch(call="a").result(timeout=30)
        assert failed.value.error == "ValueError"
        with pytest.raises(CallDiscarded, match="was discarded: "):
            workshop.drop.dispatch(call="b").result(timeout=30)
    call = workshop.echo.dispatch(value=8)
    with ThreadPoolExecutor() as beside:
        waiting = beside.submit(call.result, 30)
        wait_until(lambda: looking.rows("SELECT FROM forecourt.awaited"))
        assert Process("queue", "cancel", str(call.id)).wait() == 0
        with pytest.raises(CallCancelled, match="was cancelled: "):
            waiting.result()
    assert looking.rows("SELECT FROM forecourt.awaited") == []


def test_coroutines_wait_for_many_at_once(looking: Looking) -> None:
    async def all_of_them() -> list[Any]:
        calls = await workshop.echo.using().adispatch_many([{"value": n} for n in range(30)])
        return await asyncio.gather(*(call.aresult(timeout=30) for call in calls))

    with worker():
        assert asyncio.run(all_of_them()) == list(range(30))
    assert looking.rows("SELECT FROM forecourt.awaited") == []


@pytest.mark.parametrize("asynchronous", [False, True])
def test_whoever_waits_is_told(looking: Looking, monkeypatch: pytest.MonkeyPatch, asynchronous: bool) -> None:
    """They would look again after an hour only."""
    monkeypatch.setattr(awaiting, "FIRST_PAUSE", 3600.0)
    monkeypatch.setattr(awaiting, "LONGEST_PAUSE", 3600.0)
    call = workshop.say_and_fail.dispatch(words="no")
    with ThreadPoolExecutor() as beside:
        waiting = beside.submit((lambda: asyncio.run(call.aresult())) if asynchronous else call.result)
        wait_until(lambda: looking.rows("SELECT FROM forecourt.awaited"))
        time.sleep(0.2)  # so that it has looked, and only the word can end its waiting
        work_until_empty()
        with pytest.raises(CallFailed):
            waiting.result(timeout=30)


def test_behind_a_pooler_looking_is_enough(looking: Looking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECOURT_DATABASE_POOLED", "1")
    settings.cache_clear()
    call = workshop.echo.dispatch(value=7)
    with ThreadPoolExecutor() as beside:
        waiting = beside.submit(call.result, 30)
        work_until_empty()
        assert waiting.result(timeout=30) == 7
    assert looking.rows("SELECT FROM forecourt.awaited") == []


def test_waiting_ends_with_words_when_it_is_in_vain(looking: Looking) -> None:
    call = workshop.echo.dispatch(value=7)
    with pytest.raises(TimeoutError, match=f"call {call.id} of echo has not ended within 0.1 s"):
        call.result(timeout=0.1)
    assert looking.live() == 1
    with Session(engine()) as session:
        unseen = workshop.echo.using(session=session).dispatch(value=8)
        with pytest.raises(LookupError, match="not committed yet"):
            unseen.result(timeout=30)
    with worker(), pytest.raises(CallFailed, match="must not wait for another call's result"):
        workshop.wait_for_another.dispatch().result(timeout=30)
