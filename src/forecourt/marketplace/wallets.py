"""Warns providers whose prepaid wallet runs dry, or ran dry since the last time."""

import logging

from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt import job
from forecourt.marketplace.business import Business, business
from forecourt.marketplace.kinds import LowWalletBalance
from forecourt.marketplace.notices import tell
from forecourt.settings import settings

log = logging.getLogger(__name__)

CLOSE = text(
    """
    UPDATE car_providers
    SET low_wallet_since = NULL
    WHERE low_wallet_since IS NOT NULL
      AND wallet_balance >= :recovered * wallet_limit(wallet_currency, low_wallet_limit)
    """
)
# Business days, not hours, lie between two warnings: a Monday's run that came late, or a change of
# clocks, doesn't cost a provider next Monday's warning. An empty wallet is not low but out of use,
# and told once: when it emptied since the last warning.
WARN = text(
    """
    WITH low AS (
        SELECT id
        FROM car_providers
        WHERE is_active
          AND wallet_balance < wallet_limit(wallet_currency, low_wallet_limit)
          AND (wallet_balance > 0 AND NOT :emptied
               OR wallet_balance <= 0 AND wallet_emptied_at > coalesce(low_wallet_notified_at, '-infinity'))
        ORDER BY id
        FOR NO KEY UPDATE
    ),
    due AS (
        UPDATE car_providers
        SET low_wallet_notified_at = now(),
            low_wallet_since = coalesce(low_wallet_since, now())
        FROM low
        WHERE car_providers.id = low.id
          AND (low_wallet_notified_at IS NULL
               OR (low_wallet_notified_at AT TIME ZONE :zone)::date + :days <= (now() AT TIME ZONE :zone)::date)
        RETURNING car_providers.*
    )
    SELECT
        due.id, user_id, name, wallet_balance, wallet_currency, low_wallet_since,
        wallet_limit(wallet_currency, low_wallet_limit) AS threshold,
        (now() AT TIME ZONE :zone)::date AS today
    FROM low
    LEFT JOIN due USING (id)
    """
)


@job(queue="low", timeout=600)
def notify_low_wallet_balance(session: Session) -> dict[str, int]:
    """Tell each active provider whose balance is below its limit, at most once in `wallet_days`
    however often this runs.

    The limit is the provider's own, else its currency's, else `wallet_limit`. A balance that flaps
    around it is one episode, until it is at `wallet_recovered` times its limit. A wallet that
    emptied since the last warning is told once more. `updated_at` stays: a warning changes no
    public page.
    """
    found = business(session)
    session.execute(CLOSE, {"recovered": found.wallet_recovered})
    low, told = _warn(session, found, emptied=False)
    log.info("Sent low balance notifications to %d providers", told)
    return {"low": low, "notified": told, "already_told": low - told}


@job(queue="low", timeout=600)
def notify_emptied_wallets(session: Session) -> dict[str, int]:
    """Tell each active provider whose wallet emptied since the last warning, without waiting for
    the week's: what it paid for stands still. Not sooner than `wallet_days` after that warning,
    which told it already that the wallet runs dry."""
    emptied, told = _warn(session, business(session), emptied=True)
    return {"emptied": emptied, "notified": told, "already_told": emptied - told}


def _warn(session: Session, found: Business, *, emptied: bool) -> tuple[int, int]:
    """How many wallets are low, or have emptied, and how many of their providers were told now."""
    low = session.execute(WARN, {"days": found.wallet_days, "zone": settings().timezone, "emptied": emptied}).all()
    told = tell(
        session,
        [
            (
                row.user_id,
                LowWalletBalance(
                    row.id,
                    row.name,
                    row.wallet_balance,
                    row.wallet_currency,
                    row.threshold,
                    row.today,
                    row.low_wallet_since,
                ),
            )
            for row in low
            if row.id is not None
        ],
    )
    return len(low), told
