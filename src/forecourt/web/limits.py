"""What a request may not be longer than, before anything looks at it."""

from starlette.types import ASGIApp, Receive, Scope, Send

from forecourt.web import answers

LONGEST_PATH = 4000
"""Characters. Names have at most 200, which in an address may be nine times as long."""


class PathLimit:
    """Refuses longer paths: a number of five thousand digits in one is an error to whoever reads it
    as a number.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and len(scope["path"]) > LONGEST_PATH:
            refusal = answers.refusal(scope["path"], 414, f"the path is longer than {LONGEST_PATH} characters")
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)
