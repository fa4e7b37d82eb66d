"""Reads what somebody looks for: from the fields of the search, and from the one line in which
anything may be typed.

That line takes a call's id, `name=value` for an argument (`listing_id=42`, `owner.city=Homs`), and
the names of a job, a queue, an error, as `job:`, `queue:`, `error:`, `batch:`, `trace:`, or bare.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from forecourt.language import gettext as _
from forecourt.settings import settings
from forecourt.store import json_text
from forecourt.store.search import LARGEST_ID, STATES, Search, State

SINCE = {"1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7)}

TRACE = re.compile("[0-9a-f]{32}")
INTEGER = re.compile("-?(0|[1-9][0-9]{0,3999})")
"""Of any size; the fast library rounds those of more than 64 bits."""

DEEPEST = 50
"""Dots in the name of an argument that is looked for."""


class CannotRead(ValueError):
    """What was typed means nothing; the message says what would."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A search, and what was typed for it. `id` is set when a single call is meant."""

    search: Search
    typed: Mapping[str, str]
    id: int | None = None

    def link(self, **changed: Any) -> dict[str, Any]:
        """The parameters of the same search with something changed; the page begins anew."""
        return {name: value for name, value in self.typed.items() if name not in ("at", "id")} | changed


def asked(parameters: Mapping[str, str], jobs: Sequence[str], queues: Sequence[str], now: datetime) -> Asked:
    """What the parameters of an address ask for. Raises CannotRead."""
    search = Search(
        state=_state(parameters.get("state", "")),
        job=parameters.get("job") or None,
        queue=parameters.get("queue") or None,
        error=parameters.get("error") or None,
        batch=_id(parameters.get("batch", "")),
        trace=_trace(parameters.get("trace", "")),
        first=_first(parameters, now),
        last=_instant(parameters.get("to", "")),
        at=_instant(parameters.get("at", "")),
        id=_id(parameters.get("id", "")),
    )
    single = None
    wanted: dict[str, Any] = {}
    for word in parameters.get("q", "").split():
        name, separator, value = word.partition("=")
        kind, colon, rest = word.partition(":")
        if separator and name and name.count(".") <= DEEPEST:
            _put(wanted, name, value)
        elif colon and kind in ("job", "queue", "error"):
            search = replace(search, **{kind: rest})  # type: ignore[arg-type]
        elif colon and kind == "batch":
            search = replace(search, batch=_id(rest))
        elif colon and kind == "trace":
            search = replace(search, trace=_trace(rest))
        elif word.isascii() and word.isdigit():
            single = _id(word)
        elif word in jobs:
            search = replace(search, job=word)
        elif word in queues:
            search = replace(search, queue=word)
        else:
            raise CannotRead(
                _(
                    "%(text)s is neither the id of a call, nor an argument as name=value, nor a job or queue that is known",
                    text=repr(word),
                )
            )
    if wanted:
        search = replace(search, args=_readings(wanted))
    typed = {name: value for name, value in parameters.items() if value}
    return Asked(search, typed, single)


def _state(text: str) -> State:
    for state in STATES:
        if text == state:
            return state
    if text:
        raise CannotRead(_("%(text)s is not one of %(known)s", text=repr(text), known=", ".join(STATES)))
    return "ready"


def _id(text: str) -> int | None:
    if not text:
        return None
    if (id := whole_number(text, LARGEST_ID)) is None:
        raise CannotRead(_("%(text)s is not an id, which is a number", text=repr(text)))
    return id


def whole_number(text: str, most: int) -> int | None:
    """The number from 1 to `most` that these digits write; None for anything else. However many
    they are: of more than some thousand `int` makes no number.
    """
    digits = text.lstrip("0")
    fits = text.isascii() and digits.isdigit() and len(digits) <= len(str(most)) and int(digits) <= most
    return int(digits) if fits else None


def _trace(text: str) -> str | None:
    """The id of a trace, also out of a traceparent."""
    if not text:
        return None
    id = text.lower().split("-")[1] if text.count("-") == 3 else text.lower()
    if not TRACE.fullmatch(id):
        raise CannotRead(_("%(text)s is not the id of a trace, which is 32 hexadecimal digits", text=repr(text)))
    return id


def _first(parameters: Mapping[str, str], now: datetime) -> datetime | None:
    if since := parameters.get("since"):
        if since not in SINCE:
            raise CannotRead(_("%(text)s is not one of %(known)s", text=repr(since), known=", ".join(SINCE)))
        return now - SINCE[since]
    return _instant(parameters.get("from", ""))


def _instant(text: str) -> datetime | None:
    if not text:
        return None
    try:
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=settings().zone)).astimezone(tz=settings().zone)
    except (ValueError, OverflowError):
        raise CannotRead(_("%(text)s is not an instant such as 2026-11-24T03:00", text=repr(text))) from None


def _put(wanted: dict[str, Any], path: str, value: str) -> None:
    *way, last = path.split(".")
    for step in way:
        inner = wanted.setdefault(step, {})
        if not isinstance(inner, dict):
            raise CannotRead(_("%(text)s contradicts another argument", text=repr(path)))
        wanted = inner
    wanted[last] = _Value(value)


@dataclass(frozen=True, slots=True)
class _Value:
    text: str


def _readings(wanted: dict[str, Any]) -> list[str]:
    """The arguments as JSON: `42` may be the number or the text."""
    as_text = _json(wanted, read=False)
    try:
        as_json = _json(wanted, read=True)
    except RecursionError:  # nested deeper than is written
        as_json = as_text
    return list(dict.fromkeys((as_json, as_text)))


def _json(wanted: dict[str, Any], *, read: bool) -> str:
    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(inner) for name, inner in value.items()}
        if read and INTEGER.fullmatch(value.text):
            return int(value.text)
        if read and "\\u0000" not in value.text:  # which no stored argument holds
            try:
                return orjson.loads(value.text)
            except orjson.JSONDecodeError:
                return value.text
        return value.text

    return json_text.dumps(plain(wanted))
