"""`python -m benchmarks.event_server ours|bare PORT`: somewhere to send events to: our server, or a
Starlette page that answers, on the same reader of requests.
"""

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from forecourt.web.reading import BoundedReading
from forecourt.web.server import listen, serve


async def page(request: Request) -> JSONResponse:
    """Read the body, and answer as ours does."""
    await request.body()
    return JSONResponse({"status": "ok", "recorded": 1, "bots": 0, "unknown": 0, "limited": 0})


def main() -> None:
    """Serve until a signal says stop."""
    which, port = sys.argv[1:]
    listening = listen("127.0.0.1", int(port))
    if which == "ours":
        serve(listening)
        return
    app = Starlette(routes=[Route("/api/v1/events", page, methods=["POST"])])
    config = uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        http=BoundedReading,
        ws="none",
    )
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
