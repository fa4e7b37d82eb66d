"""A server that really speaks S3, in a process of its own, and the line to it, which can break or
change what passes.
"""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

BUCKET = "cars"


class BucketServer:
    """Holds one empty bucket, `cars`."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port = taken.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        with Path(folder, "s3.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "moto.server", "-p", str(self.port)], stdout=log, stderr=log
            )
        self._wait()

    def empty(self) -> None:
        """As it was at the start."""
        self._ask("/moto-api/reset", "POST")
        self._ask(f"/{BUCKET}", "PUT")

    def url(self, prefix: str = "shop", bucket: str = BUCKET, endpoint: str = "") -> str:
        """As FORECOURT_STORAGE_URL has it."""
        return f"s3://key:se%2Fcret@{bucket}/{prefix}?endpoint={endpoint or self.endpoint}"

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def _ask(self, path: str, method: str) -> None:
        urlopen(Request(self.endpoint + path, method=method), timeout=10).close()

    def _wait(self) -> None:
        for _ in range(3000):
            assert self._process.poll() is None, "the S3 server did not start"
            with suppress(URLError, ConnectionError):
                return self._ask("/moto-api/", "GET")
            time.sleep(0.05)
        raise AssertionError("the S3 server does not answer")


class Line:
    """Passes on what is said to the server. `cut`: after so many bytes of a request the connection
    breaks. `damage`: this text in what passes, either way, becomes another of its length."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.cut: int | None = None
        self.damage = b""
        self._open: list[socket.socket] = []
        self._serving: list[threading.Thread] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in list(self._open):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for serving in self._serving:
            serving.join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(client)
            self._serving.append(threading.Thread(target=self._serve, args=(client,), daemon=True))
            self._serving[-1].start()

    def _serve(self, client: socket.socket) -> None:
        """One connection, until either side has enough of it."""
        with client, socket.create_connection(("127.0.0.1", self._port)) as server:
            back = threading.Thread(target=self._pass, args=(server, client, False), daemon=True)
            back.start()
            self._pass(client, server, True)
            back.join()

    def _pass(self, source: socket.socket, target: socket.socket, request: bool) -> None:
        passed = 0
        with suppress(OSError):
            while said := source.recv(65536):
                passed += len(said)
                if request and self.cut is not None and passed > self.cut:
                    break
                if self.damage:
                    said = said.replace(self.damage, b"?" * len(self.damage))
                target.sendall(said)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def line_to(server: BucketServer) -> Iterator[Line]:
    """A line that is taken down at the end."""
    laid = Line(server.port)
    try:
        yield laid
    finally:
        laid.close()
