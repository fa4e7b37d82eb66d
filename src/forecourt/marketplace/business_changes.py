"""Lists and changes the settings of the business, each change with its row in the audit.

The limit of a wallet has three places, the nearest of which holds: `wallet_limit.provider.7`,
`wallet_limit.KWD`, `wallet_limit`. The first two lie where the duty reads them, with the provider
and in the table `wallet_limits`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from psycopg import Connection
from psycopg.rows import namedtuple_row

from forecourt.language import gettext as _
from forecourt.marketplace.business import CURRENCIES, DEFAULTS, KINDS, WORDS, business
from forecourt.marketplace.business_kinds import Kind
from forecourt.store import audit

PROVIDER = re.compile(r"wallet_limit\.provider\.([1-9][0-9]{0,17})")
CURRENCY = re.compile(r"wallet_limit\.([A-Z]{3})")

CHANGED = "SELECT name, changed_at, changed_by FROM public.business_settings"
LIMITS = "SELECT 'wallet_limit.' || currency AS name, amount FROM public.wallet_limits ORDER BY currency"
PROVIDERS = """
SELECT 'wallet_limit.provider.' || id AS name, low_wallet_limit AS amount
FROM public.car_providers
WHERE low_wallet_limit IS NOT NULL
ORDER BY id
LIMIT 500
"""
SET = """
INSERT INTO public.business_settings (name, value, changed_by)
VALUES (%(name)s, %(value)s, %(who)s)
ON CONFLICT (name) DO UPDATE
SET value = excluded.value,
    changed_at = now(),
    changed_by = excluded.changed_by
"""
UNSET = "DELETE FROM public.business_settings WHERE name = %(name)s RETURNING value"
# What was there before is what the audit wants; a row of before and the change are one statement's
# snapshot.
SET_CURRENCY = """
WITH before AS (SELECT amount FROM public.wallet_limits WHERE currency = %(currency)s),
written AS (
    INSERT INTO public.wallet_limits (currency, amount)
    VALUES (%(currency)s, %(amount)s)
    ON CONFLICT (currency) DO UPDATE
    SET amount = excluded.amount
)
SELECT (SELECT amount FROM before)
"""
UNSET_CURRENCY = "DELETE FROM public.wallet_limits WHERE currency = %(currency)s RETURNING amount"
HAS_PROVIDER = "SELECT FROM public.car_providers WHERE id = %(id)s"
SET_PROVIDER = """
UPDATE public.car_providers
SET low_wallet_limit = %(amount)s
FROM (SELECT id, low_wallet_limit FROM public.car_providers WHERE id = %(id)s FOR NO KEY UPDATE) AS before
WHERE public.car_providers.id = before.id
RETURNING before.low_wallet_limit
"""


class UnknownSetting(LookupError):
    """There is no setting of this name, or no provider of this id."""


@dataclass(frozen=True, slots=True)
class Written:
    """A setting as it stands: its value and default as one types them, what may be typed, and what
    it means.
    """

    name: str
    value: str
    default: str | None
    expected: str
    words: str
    changed_at: datetime | None = None
    changed_by: str | None = None

    @property
    def changed(self) -> bool:
        return self.value != self.default

    @property
    def choices(self) -> tuple[str, ...]:
        """All that may be typed, where it can be listed."""
        return KINDS[self.name].choices if self.name in KINDS else ()

    @property
    def of_wallets(self) -> bool:
        """Whether it is the limit of a currency or a provider."""
        return self.name not in KINDS


def listed(tx: Connection[Any]) -> list[Written]:
    """All settings, and the limits of wallets by currency and of the first 500 providers that have
    their own.
    """
    found, changes = business(tx), {row.name: row for row in _rows(tx, CHANGED)}
    return list(_listed(tx, found, changes))


def _listed(tx: Connection[Any], found: Any, changes: dict[str, Any]) -> Iterator[Written]:
    for name, kind in KINDS.items():
        value, default = kind.write(getattr(found, name)), kind.write(getattr(DEFAULTS, name))
        row = changes.get(name)
        yield Written(name, value, default, kind.expected, WORDS[name], row and row.changed_at, row and row.changed_by)
    for limit in (*_rows(tx, LIMITS), *_rows(tx, PROVIDERS)):
        yield _limit(limit.name, limit.amount)


def _limit(name: str, amount: Any) -> Written:
    kind = KINDS["wallet_limit"]
    default = CURRENCIES.get(name.removeprefix("wallet_limit."))
    whose = name.partition(".")[2]
    words = _("a wallet of %(whose)s is low below it", whose=whose.replace(".", " "))
    return Written(name, kind.write(amount), None if default is None else kind.write(default), kind.expected, words)


def change(tx: Connection[Any], name: str, typed: str, *, who: str) -> Written:
    """Set a setting, in the caller's transaction, from the next call on, and return what it is now.
    Raises UnknownSetting, and ValueError with what was expected."""
    kind = KINDS[_base(name)]
    try:
        value = kind.read(typed.strip())
    except ValueError:
        raise ValueError(_refusal(name, kind, typed)) from None
    before = _write(tx, name, value, kind.write(value), who)
    audit.record(tx, who, "settings set", {"name": name, "value": kind.write(value), "before": before})
    if name not in KINDS:
        return _limit(name, value)
    return Written(name, kind.write(value), kind.write(getattr(DEFAULTS, name)), kind.expected, WORDS[name])


def why_not(tx: Connection[Any], name: str, typed: str) -> str | None:
    """Why `change` would refuse this, in the reader's language; None where it would not."""
    try:
        kind = KINDS[_base(name)]
        kind.read(typed.strip())
    except UnknownSetting:
        return _("there is no setting %(name)s", name=repr(name))
    except ValueError:
        return _refusal(name, kind, typed)
    match = PROVIDER.fullmatch(name)
    if match and not tx.execute(HAS_PROVIDER, {"id": int(match[1])}).fetchall():
        return _("there is no provider %(id)s", id=match[1])
    return None


def unset(tx: Connection[Any], name: str, *, who: str) -> bool:
    """Let the default hold again; for a limit of a currency or a provider, the next one. False when
    it did already. Raises UnknownSetting."""
    _base(name)
    if match := PROVIDER.fullmatch(name):
        before = _provider(tx, int(match[1]), None)
    elif match := CURRENCY.fullmatch(name):
        before = _unset_currency(tx, match[1])
    else:
        before = _first(tx, UNSET, {"name": name})
    if before is None:
        return False
    audit.record(tx, who, "settings unset", {"name": name, "before": str(before)})
    return True


def _refusal(name: str, kind: Kind, typed: str) -> str:
    return _("%(name)s: expected %(expected)s, not %(typed)s", name=name, expected=kind.expected, typed=repr(typed))


def _base(name: str) -> str:
    if PROVIDER.fullmatch(name) or CURRENCY.fullmatch(name):
        return "wallet_limit"
    if name in KINDS:
        return name
    close = get_close_matches(name, [*KINDS, "wallet_limit.USD", "wallet_limit.provider.7"], n=2)
    perhaps = f"did you mean {' or '.join(close)}" if close else "see: forecourt settings list"
    raise UnknownSetting(f"there is no setting {name!r}; {perhaps}")


def _write(tx: Connection[Any], name: str, value: Any, written: str, who: str) -> str | None:
    """Returns what was there before."""
    if match := PROVIDER.fullmatch(name):
        before = _provider(tx, int(match[1]), value)
    elif match := CURRENCY.fullmatch(name):
        before = _first(tx, SET_CURRENCY, {"currency": match[1], "amount": value})
    else:
        before = KINDS[name].write(getattr(business(tx), name))
        tx.execute(SET, {"name": name, "value": written, "who": who})
    return None if before is None else str(before)


def _provider(tx: Connection[Any], id: int, amount: Any) -> Any:
    rows = tx.execute(SET_PROVIDER, {"id": id, "amount": amount}).fetchall()
    if not rows:
        raise UnknownSetting(f"there is no provider {id}")
    return rows[0][0]


def _unset_currency(tx: Connection[Any], currency: str) -> Any:
    default = CURRENCIES.get(currency)
    if default is None:
        return _first(tx, UNSET_CURRENCY, {"currency": currency})
    before = _first(tx, SET_CURRENCY, {"currency": currency, "amount": default})
    return None if before == default else before


def _first(tx: Connection[Any], statement: str, values: dict[str, Any]) -> Any:
    rows = tx.execute(statement.encode(), values).fetchall()
    return rows[0][0] if rows else None


def _rows(tx: Connection[Any], statement: str) -> list[Any]:
    with tx.cursor(row_factory=namedtuple_row) as cursor:
        return cursor.execute(statement.encode()).fetchall()
