"""How many calls of a job may run at once, and how many may begin in a time, across the whole
fleet.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from forecourt.jobs.option_values import Seconds, names, seconds, whole

LONGEST_KEY = 500
"""Bytes. A longer key is told apart by its hash, as `forecourt.short_key` does it: an index row
holds 2,700.
"""

MOST = 1_000_000_000
"""Calls at once or in a window; whoever asks for more means no limit."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` calls run at the same time, for each combination of the arguments `by` (none:
    of the job altogether).
    """

    most: int
    by: tuple[str, ...] = ()

    def key(self, job: str, args: Mapping[str, Any]) -> str:
        """What is counted together with this call."""
        return _key(job, "limit", self.by, args)


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `most` calls begin within `window` seconds, counted from the first of them, for each
    combination of `by`. The next window begins with the first call after it: over its edge twice as
    many may begin within `window` seconds.
    """

    most: int
    window: float
    by: tuple[str, ...] = ()

    def key(self, job: str, args: Mapping[str, Any]) -> str:
        """What is counted together with this call."""
        return _key(job, "rate", self.by, args)


def at_most(most: int, *, by: str | tuple[str, ...] = ()) -> Limit:
    """`@job(limit=at_most(3, by="provider_id"))`: no more than three at once for each provider.
    Raises ValueError.
    """
    return Limit(whole(most, "limit", 1, MOST, " calls at a time"), names(by, "limit: by"))


def per(window: Seconds, most: int, *, by: str | tuple[str, ...] = ()) -> Rate:
    """`@job(rate=per(60, 10))`: no more than ten in a minute, which begins with the
    first of them. Raises ValueError.
    """
    length = seconds(window, "rate: the window")
    if length == 0:
        raise ValueError("rate: the window must be longer than nothing")
    return Rate(whole(most, "rate", 1, MOST, " calls in a window"), length, names(by, "rate: by"))


def _key(job: str, kind: str, by: tuple[str, ...], args: Mapping[str, Any]) -> str:
    chosen = {name: args.get(name) for name in by}
    key = f"{job} {kind} {json.dumps(chosen, sort_keys=True, ensure_ascii=False, separators=(',', ':'))}"
    if len(key.encode()) <= LONGEST_KEY:
        return key
    return f"{key[:80]}… sha256:{sha256(key.encode()).hexdigest()}"
