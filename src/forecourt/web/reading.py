"""How requests are read off a connection, and which connection goes when there are too many."""

import asyncio
from math import inf

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from forecourt.process import open_files

LONGEST_HEAD = 64 * 1024
"""Bytes. Nobody's cookies and tokens are as long."""

MOST_CONNECTIONS = 2_000


def most_connections() -> int:
    """As many as this process may have, and be offered at once: an eighth of the files that the
    system lets it open, which are made more where they may be. What is closed leaves only a moment
    later, while the next ones are accepted.
    """
    return open_files(8 * MOST_CONNECTIONS) // 8


class BoundedReading(HttpToolsProtocol):
    """llhttp reads a request in a third of the time that h11 takes, and knows no end of a line, a
    header or their number: what it keeps of a request that has not begun is bounded here.

    So is the number of connections, by the server's `backlog`: whoever opened a thousand and said
    nothing would keep out everybody, probes too. The one that has let us wait for the longest makes
    room: for a request or the rest of one, or for an answer to be taken.
    """

    _kept = 0
    _waits_since = inf

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request; if this is one connection too many, no longer for another's."""
        super().connection_made(transport)
        self._waits_since = self.loop.time()
        if len(self.connections) > self.config.backlog:
            ours = (one for one in self.connections if isinstance(one, BoundedReading))
            longest = min(ours, key=lambda one: one._waits_since)
            longest._waits_since = inf
            longest.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read on, unless it leads nowhere."""
        self._kept += len(data)
        super().data_received(data)
        if self._kept > LONGEST_HEAD and not self.transport.is_closing():
            self.send_400_response(f"More than {LONGEST_HEAD // 1024} KB of headers.")

    def on_headers_complete(self) -> None:
        """What came was a head."""
        self._kept = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """What came was a body; what its end may bring, headers again, counts anew."""
        self._kept = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """It waits for us now, unless it was answered before it had ended."""
        if not self.cycle.response_complete:
            self._waits_since = inf
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """We wait for the next request, unless that has come already."""
        super().on_response_complete()
        if self.cycle.response_complete:
            self._waits_since = self.loop.time()

    def pause_writing(self) -> None:
        """We wait for the answer to be taken."""
        super().pause_writing()
        self._waits_since = self.loop.time()

    def resume_writing(self) -> None:
        """It waits for the rest of it."""
        super().resume_writing()
        if not self.cycle.response_complete:
            self._waits_since = inf
