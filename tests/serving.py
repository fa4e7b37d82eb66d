"""A web server in this process, on a port of its own, and the addresses that it has for people."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from forecourt.web.app import create_app
from forecourt.web.reading import BoundedReading
from forecourt.web.server import listen
from forecourt.web.table import RULES

HTML = {"accept": "text/html"}
"""What a browser wants."""

OURS = {"sec-fetch-site": "same-origin"}
"""What a browser says of a form on a page of ours."""

FOR_PROGRAMS = ("/api/", "/health", "/metrics", "/sitemap")


def every_page(queue: str = "high", task: str = "heartbeat") -> list[str]:
    """The address of each page of the table of routes, but for those of calls and of links that are
    signed. A new page is in it by itself.
    """
    paths = [rule.path for rule in RULES if rule.method == "GET" and not rule.path.startswith(FOR_PROGRAMS)]
    named = [path.replace("/queues/{name:path}", f"/queues/{queue}") for path in paths]
    named = [path.replace("/schedule/{name:path}", f"/schedule/{task}") for path in named]
    return [path for path in named if "{" not in path]


@contextmanager
def served(most_connections: int = 2048) -> Iterator[str]:
    """A server as the settings are now; its address."""
    listening = listen("127.0.0.1", 0)
    config = uvicorn.Config(
        create_app(),
        log_config=None,
        log_level="critical",
        lifespan="off",
        http=BoundedReading,
        backlog=most_connections,
        ws="none",
        proxy_headers=False,
    )
    server = uvicorn.Server(config)
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    serving.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    serving.join()
