"""The fixtures reach a user's suite by the entry point, without a database, and cost nothing where
they are not used.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from counter import NOWHERE

HEAVY = {"sqlalchemy", "psycopg", "pydantic", "alembic", "forecourt.jobs", "forecourt.store"}

SHOP = """
from forecourt import Session, job


@job(queue="low")
def greet(listing_id: int, *, session: Session) -> None:
    raise AssertionError("nothing runs under a fake")


@job
def price(listing_id: int) -> None:
    sold.append(listing_id)


sold: list[int] = []


def sell(listing_id: int) -> None:
    greet.using(delay=60).dispatch(listing_id=listing_id)
    price.dispatch(listing_id=listing_id)
"""

SUITE = """
import shop


def test_selling_greets(fake_queue):
    shop.sell(7)
    fake_queue.assert_dispatched_later(shop.greet, delay=60, listing_id=7)
    fake_queue.assert_dispatched_on("low", shop.greet)
    fake_queue.assert_count(2)


def test_each_test_has_a_fake_of_its_own(fake_queue):
    fake_queue.assert_nothing_dispatched()


def test_a_call_runs_at_once(run_as_inline):
    shop.price.dispatch(listing_id=7)
    assert shop.sold == [7]


def test_that_fails(fake_queue):
    shop.sell(7)
    fake_queue.assert_not_dispatched(shop.greet)
"""


def test_a_users_suite_gets_the_fixtures_and_needs_no_database(tested: Callable[..., str], suite: Path) -> None:
    (suite / "shop.py").write_text(SHOP)
    (suite / "test_shop.py").write_text(SUITE)
    said = tested(NOWHERE)
    assert "1 failed, 3 passed" in said, said
    assert ">       fake_queue.assert_not_dispatched(shop.greet)" in said
    assert "greet was dispatched once, expected not at all. Dispatched:" in said
    assert "greet(listing_id=7) on low, after 60 s" in said
    assert "forecourt/testing/fake.py" not in said, "the failure shows the user's line, not ours"
    assert not (suite / "var").exists(), "no private server was started"


def test_the_plugin_costs_next_to_nothing_until_a_fixture_is_used() -> None:
    code = f"import sys, forecourt.testing.plugin; print(*sorted({HEAVY!r} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.split() == []


def test_every_public_name_is_there_and_no_other() -> None:
    from forecourt import testing

    assert {name for name in testing.__all__ if callable(getattr(testing, name))} == set(testing.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'fake_que'"):
        testing.fake_que  # noqa: B018
