"""How requests are read off a connection."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LONGEST_HEAD = 64 * 1024
"""Bytes. Nobody's cookies and tokens are as long."""


class BoundedReading(HttpToolsProtocol):
    """llhttp reads a request in a third of the time that h11 takes, and knows no end of a line, a
    header or their number: what it keeps of a request that has not begun is bounded here.
    """

    _kept = 0

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
