"""A web server in this process, on a port of its own."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from forecourt.web.app import create_app
from forecourt.web.reading import BoundedReading
from forecourt.web.server import listen

HTML = {"accept": "text/html"}
"""What a browser wants."""

OURS = {"sec-fetch-site": "same-origin"}
"""What a browser says of a form on a page of ours."""


@contextmanager
def served() -> Iterator[str]:
    """A server as the settings are now; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = uvicorn.Config(
        create_app(),
        log_config=None,
        log_level="critical",
        lifespan="off",
        http=BoundedReading,
        ws="none",
        proxy_headers=False,
    )
    server = uvicorn.Server(config)
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listen("127.0.0.1", port)]})
    serving.start()
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    serving.join()
