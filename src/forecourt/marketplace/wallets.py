"""Warns providers whose prepaid wallet runs dry, or ran dry since the last time."""

import logging

from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt import job
from forecourt.marketplace.business import business
from forecourt.marketplace.kinds import LowWalletBalance
from forecourt.marketplace.notices import tell
from forecourt.settings import settings

log = logging.getLogger(__name__)

# Business days, not hours, lie between two warnings: a Monday's run that came late, or a change of
# clocks, doesn't cost a provider next Monday's warning. An empty wallet is not low but out of use,
# and told once: when it emptied since the last warning. Wallets that are well again are locked with
# the others, so that all are in one order, and two runs never deadlock.
WARN = text(
    """
    WITH found AS (
        SELECT id, wallet_balance >= wallet_limit(wallet_currency, low_wallet_limit) AS well
        FROM car_providers
        WHERE is_active
          AND wallet_balance < wallet_limit(wallet_currency, low_wallet_limit)
          AND (wallet_balance > 0 AND NOT :emptied
               OR wallet_balance <= 0 AND wallet_emptied_at > coalesce(low_wallet_notified_at, '-infinity'))
           OR low_wallet_since IS NOT NULL
          AND wallet_balance >= :recovered * wallet_limit(wallet_currency, low_wallet_limit)
        ORDER BY id
        FOR NO KEY UPDATE
    ),
    closed AS (
        UPDATE car_providers
        SET low_wallet_since = NULL
        FROM found
        WHERE car_providers.id = found.id
          AND well
    ),
    low AS (
        SELECT id
        FROM found
        WHERE NOT well
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
    low, told = _warn(session, emptied=False)
    log.info("Sent low balance notifications to %d providers", told)
    return {"low": low, "notified": told, "already_told": low - told}


@job(queue="low", timeout=600)
def notify_emptied_wallets(session: Session) -> dict[str, int]:
    """Tell each active provider whose wallet emptied since the last warning, without waiting for
    the week's: what it paid for stands still. Not sooner than `wallet_days` after that warning,
    which told it already that the wallet runs dry."""
    emptied, told = _warn(session, emptied=True)
    return {"emptied": emptied, "notified": told, "already_told": emptied - told}


def _warn(session: Session, *, emptied: bool) -> tuple[int, int]:
    """How many wallets are low, or have emptied, and how many of their providers were told now."""
    decided = business(session)
    facts = {"days": decided.wallet_days, "recovered": decided.wallet_recovered}
    low = session.execute(WARN, facts | {"zone": settings().timezone, "emptied": emptied}).all()
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
