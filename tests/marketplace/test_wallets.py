"""Promises of the low-balance warning."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from showroom import ago, calls, notifications, provider, user, wait_until_blocked
from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt.database import engine
from forecourt.marketplace.models import CarProvider
from forecourt.marketplace.wallets import notify_emptied_wallets, notify_low_wallet_balance
from forecourt.settings import settings


@pytest.mark.parametrize(("balance", "low"), [("0", 0), ("0.01", 1), ("49.99", 1), ("50", 0), ("-3", 0)])
def test_low_means_more_than_nothing_and_less_than_fifty(session: Session, balance: str, low: int) -> None:
    provider(session, balance)
    assert notify_low_wallet_balance(session=session) == {"low": low, "notified": low, "already_told": 0}


def test_the_provider_s_user_is_told_the_balance_in_the_app_and_by_mail(session: Session) -> None:
    poor = provider(session, "12.50", name="Al Wadi", wallet_currency="SYP", updated_at=ago(session, "9 days"))
    before = poor.updated_at
    notify_low_wallet_balance(session=session)
    [notice] = notifications(session)
    assert (notice.user_id, notice.kind, notice.mail_status) == (poor.user_id, "low_wallet_balance", "pending")
    assert notice.data["provider_id"] == poor.id
    assert (notice.data["provider"], notice.data["balance"], notice.data["currency"]) == ("Al Wadi", "12.50", "SYP")
    assert calls(session, "deliver_mail") == [{"notification_id": str(notice.id)}]
    session.refresh(poor)
    assert poor.updated_at == before


def test_an_inactive_provider_is_not_told(session: Session) -> None:
    provider(session, "10", is_active=False)
    assert notify_low_wallet_balance(session=session)["low"] == 0


def test_a_user_without_an_address_is_told_in_the_app_alone(session: Session) -> None:
    provider(session, "10", user=user(session, "Nour", email=None))
    provider(session, "10", user=user(session, "Rima", email=" "))
    assert notify_low_wallet_balance(session=session)["notified"] == 2
    assert [notice.mail_status for notice in notifications(session)] == ["suppressed", "suppressed"]
    assert calls(session, "deliver_mail") == []


def test_two_providers_of_one_user_are_two_warnings(session: Session) -> None:
    sami = user(session)
    provider(session, "10", user=sami)
    provider(session, "20", user=sami)
    assert notify_low_wallet_balance(session=session)["notified"] == 2


def test_ten_runs_by_hand_tell_each_provider_once(session: Session) -> None:
    provider(session, "10")
    provider(session, "20")
    assert notify_low_wallet_balance(session=session) == {"low": 2, "notified": 2, "already_told": 0}
    session.commit()
    for _ in range(9):
        assert notify_low_wallet_balance(session=session) == {"low": 2, "notified": 0, "already_told": 2}
        session.commit()
    assert len(notifications(session)) == 2
    assert len(calls(session, "deliver_mail")) == 2


def test_a_balance_that_flaps_around_the_limit_within_a_week_is_told_once(session: Session) -> None:
    poor = provider(session, "49")
    for balance in ("49", "51", "48", "50", "47"):
        poor.wallet_balance = Decimal(balance)
        session.flush()
        notify_low_wallet_balance(session=session)
    assert len(notifications(session)) == 1


def test_two_overlapping_runs_tell_each_provider_once(session: Session) -> None:
    for _ in range(20):
        provider(session, "10")
    session.commit()
    assert notify_low_wallet_balance(session=session)["notified"] == 20
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(_notify)
        wait_until_blocked()
        session.commit()
        assert late.result(30) == {"low": 20, "notified": 0, "already_told": 20}
    assert len(notifications(session)) == 20


def test_a_rolled_back_run_leaves_the_warning_for_the_next(session: Session) -> None:
    provider(session, "10")
    session.commit()
    notify_low_wallet_balance(session=session)
    session.rollback()
    assert notify_low_wallet_balance(session=session)["notified"] == 1


@pytest.mark.parametrize("zone", ["UTC", "Africa/Cairo", "Pacific/Auckland"])
def test_seven_business_days_lie_between_two_warnings(
    session: Session, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("FORECOURT_TIMEZONE", zone)
    settings.cache_clear()
    week, six = provider(session, "10"), provider(session, "20")
    _told(session, week, days_ago=7, at="23:59:59")  # less than 168 hours: last Monday's run was late
    _told(session, six, days_ago=6, at="00:00")
    assert notify_low_wallet_balance(session=session) == {"low": 2, "notified": 1, "already_told": 1}
    assert notifications(session)[0].data["provider_id"] == week.id


def _told(session: Session, told: CarProvider, *, days_ago: int, at: str) -> None:
    session.execute(
        text("""
            UPDATE car_providers
            SET low_wallet_notified_at =
                ((now() AT TIME ZONE :zone)::date - :days + CAST(:at AS time)) AT TIME ZONE :zone
            WHERE id = :id
        """),
        {"zone": settings().timezone, "days": days_ago, "at": at, "id": told.id},
    )


def _notify() -> dict[str, int]:
    with Session(engine()) as own, own.begin():
        return notify_low_wallet_balance(session=own)


@pytest.mark.parametrize(
    ("balance", "currency", "low"),
    [
        ("45", "KWD", 0),
        ("14.99", "KWD", 1),
        ("5000", "SYP", 1),
        ("500000", "SYP", 0),
        ("49", "XXX", 1),
        ("50", "XXX", 0),
    ],
)
def test_low_is_what_is_little_in_the_wallet_s_own_currency(
    session: Session, balance: str, currency: str, low: int
) -> None:
    provider(session, balance, wallet_currency=currency)
    assert notify_low_wallet_balance(session=session)["low"] == low


def test_a_provider_s_own_limit_goes_before_its_currency_s(session: Session) -> None:
    provider(session, "300", low_wallet_limit=Decimal(500))
    provider(session, "30", low_wallet_limit=Decimal(20))
    assert notify_low_wallet_balance(session=session)["notified"] == 1
    assert notifications(session)[0].data["threshold"] == "500.00"


def test_another_limit_of_a_currency_holds_from_the_next_run_on(session: Session) -> None:
    provider(session, "60")
    assert notify_low_wallet_balance(session=session)["low"] == 0
    session.execute(text("UPDATE wallet_limits SET amount = 100 WHERE currency = 'USD'"))
    assert notify_low_wallet_balance(session=session)["low"] == 1


@pytest.mark.parametrize("left", ["0", "-3"])
def test_a_wallet_that_empties_between_two_mondays_is_told_once(session: Session, left: str) -> None:
    poor = provider(session, "60")
    assert notify_low_wallet_balance(session=session)["notified"] == 0
    _set(session, poor, left)
    assert notify_low_wallet_balance(session=session)["notified"] == 1
    assert notifications(session)[0].data["balance"] == f"{Decimal(left):.2f}"
    _told(session, poor, days_ago=7, at="12:00")
    session.execute(text("UPDATE car_providers SET wallet_emptied_at = now() - interval '8 days'"))
    assert notify_low_wallet_balance(session=session) == {"low": 0, "notified": 0, "already_told": 0}


def test_a_wallet_that_never_held_money_is_not_empty_but_unused(session: Session) -> None:
    unused = provider(session, "0")
    session.execute(text("UPDATE car_providers SET wallet_balance = 0"))
    assert notify_low_wallet_balance(session=session)["low"] == 0
    assert unused.wallet_emptied_at is None


def test_a_wallet_told_low_and_empty_within_a_week_is_told_of_the_second_a_week_later(session: Session) -> None:
    poor = provider(session, "20")
    assert notify_low_wallet_balance(session=session)["notified"] == 1
    _set(session, poor, "0")
    session.execute(text("UPDATE car_providers SET low_wallet_notified_at = now() - interval '3 days'"))
    assert notify_low_wallet_balance(session=session)["notified"] == 0
    _told(session, poor, days_ago=7, at="00:00")
    session.execute(text("DELETE FROM notifications"))  # as if it had been told a week ago under that day's key
    assert notify_low_wallet_balance(session=session)["notified"] == 1


def test_an_episode_lasts_until_the_balance_is_well_above_its_limit(session: Session) -> None:
    poor = provider(session, "49")
    notify_low_wallet_balance(session=session)
    session.refresh(poor)
    began = poor.low_wallet_since
    assert began is not None
    for balance, lasts in (("51", True), ("59.99", True), ("48", True), ("60", False)):
        _set(session, poor, balance)
        notify_low_wallet_balance(session=session)
        session.refresh(poor)
        assert (poor.low_wallet_since == began) is lasts
    assert len(notifications(session)) == 1
    assert notifications(session)[0].data["since"] is not None


def test_a_wallet_that_empties_between_two_mondays_is_told_the_next_morning_and_not_twice(session: Session) -> None:
    emptied, low, warned = provider(session, "60"), provider(session, "20"), provider(session, "20")
    assert notify_low_wallet_balance(session=session)["notified"] == 2
    _set(session, emptied, "0")
    _set(session, warned, "0")
    assert notify_emptied_wallets(session=session) == {"emptied": 1, "notified": 1, "already_told": 0}
    assert notify_emptied_wallets(session=session) == {"emptied": 0, "notified": 0, "already_told": 0}
    session.execute(text("UPDATE car_providers SET low_wallet_notified_at = now() - interval '3 days'"))
    assert notify_emptied_wallets(session=session) == {
        "emptied": 2,
        "notified": 0,
        "already_told": 2,
    }  # warned this week
    assert low.wallet_emptied_at is None


def _set(session: Session, poor: CarProvider, balance: str) -> None:
    poor.wallet_balance = Decimal(balance)
    session.flush()


def test_who_changes_wallets_in_the_order_of_their_ids_never_deadlocks_with_a_run(session: Session) -> None:
    low, well = provider(session, "10"), provider(session, "100")
    well.low_wallet_since = ago(session, "9 days")
    session.commit()
    low.wallet_balance = Decimal(11)
    session.flush()

    def warn() -> dict[str, int]:
        with Session(engine()) as own, own.begin():
            return notify_low_wallet_balance(session=own)

    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(warn)
        wait_until_blocked()
        well.wallet_balance = Decimal(200)
        session.commit()
        assert run.result(30)["notified"] == 1
    session.refresh(well)
    assert well.low_wallet_since is None
