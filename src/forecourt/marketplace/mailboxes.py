"""Mailboxes that their server refused for good. Nobody writes to one again until it is forgiven, or
the user has another address: a sender who goes on is taken for a spammer, and its mails to
everybody else suffer."""

from typing import Any

from psycopg import Connection

REFUSED = "SELECT why FROM public.mailbox_refusals WHERE address = lower(btrim(%(address)s))"
REFUSE = """
INSERT INTO public.mailbox_refusals (address, why)
VALUES (lower(btrim(%(address)s)), %(why)s)
ON CONFLICT (address) DO UPDATE
SET at = now(),
    why = excluded.why
"""
FORGIVE = "DELETE FROM public.mailbox_refusals WHERE address = lower(btrim(%(address)s))"
ALL = "SELECT address, at, why FROM public.mailbox_refusals ORDER BY at DESC LIMIT %(limit)s"


def why_refused(tx: Connection[Any], address: str) -> str | None:
    """Why a mailbox takes no mail; None when nothing is known against it."""
    rows = tx.execute(REFUSED, {"address": address}).fetchall()
    return str(rows[0][0]) if rows else None


def refuse(tx: Connection[Any], address: str, why: str) -> None:
    """Note that a mailbox takes no mail, for good."""
    tx.execute(REFUSE, {"address": address, "why": why})


def forgive(tx: Connection[Any], address: str) -> bool:
    """Try the mailbox again from now on. False when nothing was known against it."""
    return tx.execute(FORGIVE, {"address": address}).rowcount == 1


def refused(tx: Connection[Any], *, limit: int = 100) -> list[tuple[Any, ...]]:
    """Address, since when and why, newest first."""
    return tx.execute(ALL, {"limit": limit}).fetchall()
