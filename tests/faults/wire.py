"""A wire to PostgreSQL that can lose things: everything passes through it, until it is told to let
go of some commits' answers.
"""

import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

COMMIT = b"COMMIT\x00"
CLAIMED = (b"INSERT 0 ", b"Z\x00\x00\x00\x05I")
"""What the answer to a claim that is a transaction by itself has in it, and ends with."""


class Wire:
    """Listens on a local port, and passes on to the server's Unix socket.

    `loss`: the share of commits whose answer nobody hears. The server has got them and carries them
    out; the connection breaks. `delay`: seconds for which each thing that is said is on its way.
    """

    def __init__(self, server: str, seed: int = 1) -> None:
        self._server = server
        self._chance = random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.loss = self.delay = 0.0
        self.lost = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where PostgreSQL is, at this end of the wire."""
        return f"postgresql://forecourt@127.0.0.1:{self.port}/forecourt?sslmode=disable&gssencmode=disable"

    def close(self) -> None:
        """Accept nobody any more."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """One connection, until either side has enough of it, or there is no server."""
        with client, socket.socket(socket.AF_UNIX) as server, suppress(OSError):
            server.connect(self._server)
            unheard = threading.Event()
            back = threading.Thread(target=self._back, args=(client, server, unheard), daemon=True)
            back.start()
            self._there(client, server, unheard)
            back.join()

    def _there(self, client: socket.socket, server: socket.socket, unheard: threading.Event) -> None:
        with _both(client, server):
            while said := client.recv(65536):
                if self.delay:
                    time.sleep(self.delay)
                if COMMIT in said and self._is_to_be_lost():
                    unheard.set()
                server.sendall(said)

    def _back(self, client: socket.socket, server: socket.socket, unheard: threading.Event) -> None:
        with _both(client, server):
            while (said := server.recv(65536)) and not unheard.is_set():
                if CLAIMED[0] in said and said.endswith(CLAIMED[1]) and self._is_to_be_lost():
                    return
                client.sendall(said)

    def _is_to_be_lost(self) -> bool:
        if not self.loss or self._chance.random() >= self.loss:
            return False
        self.lost += 1
        return True


@contextmanager
def _both(client: socket.socket, server: socket.socket) -> Iterator[None]:
    """When one direction ends, so does the other."""
    with suppress(OSError):
        yield
    for end in (client, server):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def wire(server: str) -> Iterator[Wire]:
    """A wire that is taken down at the end."""
    laid = Wire(server)
    try:
        yield laid
    finally:
        laid.close()
