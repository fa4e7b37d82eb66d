"""Warns providers whose prepaid wallet runs dry."""

from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt import job
from forecourt.marketplace.notices import LowWalletBalance, tell
from forecourt.settings import settings

LOW_BALANCE = Decimal(50)
"""Below this, in the wallet's own currency, a balance is low: the marketplace's figure since its first version. An
empty wallet is not low but out of use."""

DAYS_BETWEEN = 7
"""Business days, not hours, from one warning to the next: a Monday's run that came late, or a change of clocks, doesn't
cost a provider next Monday's warning."""


@job(queue="low", timeout=600)
def notify_low_wallet_balance(*, session: Session) -> dict[str, int]:
    """Tell each active provider with 0 < balance < 50, at most once in seven days however often this runs.

    A balance that flaps around the limit within the week is told once. `updated_at` stays: a warning changes no public
    page.
    """
    low = session.execute(
        text("""
            WITH low AS (
                SELECT id
                FROM car_providers
                WHERE wallet_balance > 0
                  AND wallet_balance < :threshold
                  AND is_active
                ORDER BY id
                FOR NO KEY UPDATE
            ),
            due AS (
                UPDATE car_providers
                SET low_wallet_notified_at = now()
                FROM low
                WHERE car_providers.id = low.id
                  AND (low_wallet_notified_at IS NULL
                       OR (low_wallet_notified_at AT TIME ZONE :zone)::date + :days <= (now() AT TIME ZONE :zone)::date)
                RETURNING car_providers.*
            )
            SELECT
                due.id, user_id, name, wallet_balance, wallet_currency,
                (now() AT TIME ZONE :zone)::date AS today
            FROM low
            LEFT JOIN due USING (id)
        """),
        {"threshold": LOW_BALANCE, "days": DAYS_BETWEEN, "zone": settings().timezone},
    ).all()
    due = [row for row in low if row.id is not None]
    told = tell(
        session,
        [
            (
                row.user_id,
                LowWalletBalance(row.id, row.name, row.wallet_balance, row.wallet_currency, LOW_BALANCE, row.today),
            )
            for row in due
        ],
    )
    return {"low": len(low), "notified": told, "already_told": len(low) - told}
