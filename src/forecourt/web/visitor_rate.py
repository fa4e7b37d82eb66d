"""How many events one visitor may send in a minute. Counted in this process, in memory: an address
is never written down.
"""

from collections import Counter
from time import monotonic

from forecourt.marketplace.events import Event

A_MINUTE = 120
"""Events of one visitor; who looks at a listing a second, and does something with each, stays
below.
"""

MOST_VISITORS = 200_000


class VisitorRate:
    """Counts by the minute. `over` says which events are too many."""

    def __init__(self) -> None:
        self._minute = 0
        self._seen: Counter[str] = Counter()

    def over(self, event: Event) -> bool:
        """Whether this is one too many of its visitor; counts it. One without an address is
        nobody's.
        """
        if event.ip is None:
            return False
        minute = int(monotonic() // 60)
        if minute != self._minute or len(self._seen) > MOST_VISITORS:
            self._minute = minute
            self._seen.clear()
        # An IPv6 visitor is a /64, as providers give them out.
        visitor = str(event.ip) if isinstance(event.ip, str) or event.ip.version == 4 else event.ip.exploded[:19]
        self._seen[visitor] += 1
        return self._seen[visitor] > A_MINUTE
