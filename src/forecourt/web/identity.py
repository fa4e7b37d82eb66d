"""Finds out who asks, before anything is answered."""

from starlette.types import ASGIApp, Receive, Scope, Send

from forecourt.web.people import ANYBODY_HERE


class Identity:
    """Notes in the scope who asks. On a loopback address that is whoever uses this machine."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["person"] = ANYBODY_HERE
        await self._app(scope, receive, send)
