"""A real HTTP server on loopback that keeps what it is sent, for webhooks and pings."""

import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import NamedTuple


class Heard(NamedTuple):
    """One request. The names of its headers are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Listener:
    """`answers` are given first, one each time: a status, or a status and where to go instead, or
    a status and headers; after that it is 204.
    """

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.answers: deque[int | tuple[int, str | dict[str, str]]] = deque()
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                listener.heard.append(Heard(self.command, self.path, headers, self.rfile.read(length)))
                answer = listener.answers.popleft() if listener.answers else 204
                status, more = answer if isinstance(answer, tuple) else (answer, {})
                self.send_response(status)
                for name, value in ({"Location": more} if isinstance(more, str) else more).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST  # noqa: N815 - the library's name

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Listener":
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
