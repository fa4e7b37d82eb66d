"""Promises of notices: told once, to the right person, and only when they are news."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC

import pytest
from showroom import ago, calls, expired, listing, notifications, tell, user, wait_until_blocked
from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt.database import engine
from forecourt.jobs.arguments import WrongArguments
from forecourt.marketplace.notices import send_sponsorship_expired_notification
from forecourt.marketplace.placements import expire_sponsored_listings


def test_an_owner_is_told_of_the_end_of_a_sponsorship_in_the_app_and_by_mail(session: Session) -> None:
    until = ago(session, "1 day")
    car = expired(session, views_count=7)
    assert tell(session) == {"told": 1}
    [notice] = notifications(session)
    assert (notice.user_id, notice.kind, notice.mail_status) == (car.owner_id, "sponsorship_expired", "pending")
    assert notice.data == {
        "listing_id": car.id,
        "title": car.title,
        "slug": car.slug,
        "sponsored_until": until.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "views": 7,
    }
    assert calls(session, "deliver_mail") == [{"notification_id": str(notice.id)}]


def test_telling_the_same_end_again_tells_nothing(session: Session) -> None:
    expired(session)
    assert [tell(session), tell(session), tell(session)] == [{"told": 1}, {"already_told": 1}, {"already_told": 1}]
    assert len(notifications(session)) == len(calls(session, "deliver_mail")) == 1


def test_the_same_instant_written_in_another_zone_is_the_same_end(session: Session) -> None:
    car = listing(session)
    for written in ("2026-11-22T21:00:00Z", "2026-11-23T00:00:00+03:00", "2026-11-22T21:00:00.000000+00:00"):
        send_sponsorship_expired_notification(session, car.id, written)
    assert len(notifications(session)) == 1


def test_the_end_of_the_next_sponsorship_is_told_again(session: Session) -> None:
    car = expired(session)
    tell(session)
    session.execute(text("UPDATE car_listings SET is_sponsored = true, sponsored_until = now() - interval '1 minute'"))
    expire_sponsored_listings(session=session)
    assert tell(session) == {"told": 1}
    assert [notice.data["listing_id"] for notice in notifications(session)] == [car.id, car.id]


def test_two_transactions_that_tell_at_the_same_moment_tell_once(session: Session) -> None:
    expired(session)
    session.commit()
    assert tell(session) == {"told": 1}

    def late() -> dict[str, int]:
        with Session(engine()) as own, own.begin():
            return tell(own)

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(late)
        wait_until_blocked()
        session.commit()
        assert other.result(30) == {"already_told": 1}
    assert len(notifications(session)) == len(calls(session, "deliver_mail")) == 1


def test_what_is_rolled_back_was_never_told(session: Session) -> None:
    expired(session)
    session.commit()
    tell(session)
    session.rollback()
    assert notifications(session) == []
    assert calls(session, "deliver_mail") == []


def test_a_listing_that_is_gone_or_in_the_trash_is_no_news(session: Session) -> None:
    assert send_sponsorship_expired_notification(session, 404) == {"missing": 1}
    car = expired(session)
    car.deleted_at = ago(session, "0")
    session.flush()
    assert tell(session) == {"missing": 1}
    assert notifications(session) == []


def test_a_sponsorship_renewed_between_its_end_and_the_notice_is_not_told(session: Session) -> None:
    expired(session)
    session.execute(text("UPDATE car_listings SET is_sponsored = true, sponsored_until = now() + interval '30 days'"))
    assert tell(session) == {"suppressed": 1}
    assert notifications(session) == []


def test_without_the_end_an_owner_is_told_once_a_business_day(session: Session) -> None:
    car = listing(session)
    assert send_sponsorship_expired_notification(session, car.id) == {"told": 1}
    assert send_sponsorship_expired_notification(session, car.id) == {"already_told": 1}


@pytest.mark.parametrize("written", ["yesterday", "2026-11-23T00:00:00"])
def test_an_end_without_a_clear_instant_is_an_error(session: Session, written: str) -> None:
    with pytest.raises(ValueError, match=r"expected an offset|Invalid isoformat"):
        send_sponsorship_expired_notification(session, listing(session).id, written)


def test_the_notification_s_policy_is_the_reference_s(session: Session) -> None:
    policy = send_sponsorship_expired_notification.policy
    assert (policy.queue, policy.timeout, policy.tries) == ("low", 30, 3)
    with pytest.raises(WrongArguments, match="listing_id"):
        send_sponsorship_expired_notification.using(session=session).dispatch(listing_id="7")


def test_a_user_without_an_address_is_told_in_the_app_alone(session: Session) -> None:
    expired(session, owner=user(session, "Nour", email=None))
    assert tell(session) == {"told": 1}
    [notice] = notifications(session)
    assert (notice.mail_status, notice.mail_reason) == ("suppressed", "the user has no e-mail address")
    assert calls(session, "deliver_mail") == []
