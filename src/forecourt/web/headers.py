"""What every answer says beside its content: that nothing of another origin runs in it, and that
nobody keeps it.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""No inline code, no inline styles, nothing from elsewhere."""

ALWAYS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    # With no-referrer a browser would send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

UNLESS_SAID = [
    (name.lower().encode("latin-1"), value.encode("latin-1"))
    for name, value in {**ALWAYS, "Cache-Control": "private, no-store"}.items()
]
"""As they go to the server: made once, since a small answer would cost less than its headers."""


class SafeHeaders:
    """Adds them to each answer; what an answer says of its own cache wins over `no-store`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                said = list(message.get("headers", ()))
                names = {name.lower() for name, _ in said}
                message["headers"] = said + [(name, value) for name, value in UNLESS_SAID if name not in names]
            await send(message)

        await self._app(scope, receive, with_headers)
