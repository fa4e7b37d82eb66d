"""A request to end a call lives as long as the call, wherever the call is and whatever is being
committed.
"""

import threading
from collections.abc import Iterator

import psycopg
import pytest

import workshop
from fleet import Looking, claim, wait_until
from forecourt.database.transactions import Transactions
from forecourt.store import cancel, requests, running, scheduled
from forecourt.store.ending import cancel_waiting
from forecourt.workers.control import Control

Connection = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def tx(looking: Looking, database: str) -> Iterator[Connection]:
    with psycopg.connect(database) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def operator(database: str) -> Iterator[Connection]:
    with psycopg.connect(database) as connection:
        yield connection
        connection.rollback()


def end(operator: Connection, id: int) -> tuple[set[int], set[int]]:
    """What `queue cancel` does: who lives, and who waited."""
    live = cancel.ask(operator, [id], "operator")
    waited = cancel_waiting(operator, [id], "operator")
    operator.commit()
    return live, waited


def control() -> None:
    database = Transactions()
    Control(database, lambda: 2, lambda unwanted, asked: None, lambda: None).run_once()
    database.close()


def test_a_call_that_was_asked_to_end_while_it_ran_ends_when_it_waits_again(
    tx: Connection, operator: Connection, looking: Looking
) -> None:
    call = workshop.nothing.dispatch(n=1)
    [claimed] = claim(tx)
    tx.commit()
    assert end(operator, call.id) == ({call.id}, set())
    running.give_back(tx, [(claimed.id, claimed.token)])
    tx.commit()
    cancel.forget(operator)
    assert requests.asked_of(operator, 2) == (set(), {call.id: "operator"}, None, False)
    operator.commit()
    control()
    assert looking.rows("SELECT outcome FROM forecourt.done") == [("cancelled",)]
    assert (looking.live(), looking.count("cancellations")) == (0, 0)


@pytest.mark.parametrize("move", ["claimed", "given back", "promoted", "postponed"])
def test_a_call_is_found_while_it_moves(tx: Connection, operator: Connection, looking: Looking, move: str) -> None:
    """The move is not committed when the operator asks, and is when the operator has looked."""
    if move == "promoted":
        call = workshop.nothing.using(delay=0.001).dispatch(n=1)
    else:
        call = workshop.nothing.dispatch(n=1)
        if move != "claimed":
            [claimed] = claim(tx)
            tx.commit()
    match move:
        case "claimed":
            claim(tx)
        case "given back":
            running.give_back(tx, [(claimed.id, claimed.token)])
        case "promoted":
            wait_until(lambda: scheduled.promote(tx) or tx.rollback())
        case "postponed":
            running.postpone(tx, [running.Postponed(claimed.id, claimed.token, 60.0, True, "[]")])
    found: list[tuple[set[int], set[int]]] = []
    asking = threading.Thread(target=lambda: found.append(end(operator, call.id)))
    asking.start()
    asking.join(0.3)  # it may have to wait for the move, or not
    tx.commit()
    asking.join()
    assert found[0][0] == {call.id}
    if move == "claimed":
        [(id, token)] = looking.rows("SELECT id, token FROM forecourt.running")
        assert requests.asked_of(operator, 1).unwanted == {id}
        operator.commit()
        running.give_back(tx, [(id, token)])
        tx.commit()
    control()
    assert looking.rows("SELECT outcome FROM forecourt.done") == [("cancelled",)]
    assert (looking.live(), looking.count("cancellations")) == (0, 0)


def test_two_who_cancel_the_same_calls_take_them_in_one_order(
    tx: Connection, operator: Connection, looking: Looking
) -> None:
    first, second = (workshop.nothing.dispatch(n=n).id for n in range(2))
    # In the table's own order, which a plan may follow, the first stands behind.
    looking.connection.execute("UPDATE forecourt.ready SET queue = queue || '' WHERE id = %s", (first,))
    operator.execute("SET enable_indexscan = off; SET enable_bitmapscan = off")
    tx.execute("SELECT FROM forecourt.ready WHERE id = %s FOR UPDATE", (first,))
    cancelling = threading.Thread(target=cancel_waiting, args=(operator, [second, first], "operator"))
    cancelling.start()
    wait_until(looking.waiting)
    tx.execute("SELECT FROM forecourt.ready WHERE id = %s FOR UPDATE NOWAIT", (second,))
    tx.commit()
    cancelling.join()
    operator.commit()
    assert (looking.live(), looking.count("done")) == (0, 2)


def test_asking_twice_is_no_mistake(tx: Connection, operator: Connection) -> None:
    call = workshop.nothing.dispatch(n=1)
    claim(tx)
    tx.commit()
    assert end(operator, call.id) == end(operator, call.id) == ({call.id}, set())


def test_a_request_is_forgotten_with_its_call(tx: Connection, operator: Connection, looking: Looking) -> None:
    call = workshop.nothing.dispatch(n=1)
    [claimed] = claim(tx)
    tx.commit()
    end(operator, call.id)
    running.finish(tx, [running.Ended(claimed.id, claimed.token, 0.1, "finished", None)])
    tx.commit()
    control()
    assert looking.count("cancellations") == 0
    assert end(operator, call.id) == (set(), set())
