"""A real SMTP server on loopback that keeps what it accepts and answers as a test tells it to."""

import asyncio
import subprocess
import threading
from collections import deque
from collections.abc import Callable
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope, Session


class SmtpSink(Controller):
    """`answers["RCPT"]` and `answers["DATA"]` are given first, one each time; after that everything
    is accepted.

    `before_accepting` runs between the arrival of a message and the server's answer.
    """

    def __init__(self, **options: Any) -> None:
        self.answers: dict[str, deque[str]] = {"RCPT": deque(), "DATA": deque()}
        self.before_accepting: Callable[[], None] = lambda: None
        self.messages: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.encrypted: list[bool] = []
        super().__init__(self, hostname="127.0.0.1", port=0, enable_SMTPUTF8=True, **options)

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.answers["RCPT"]:
            return self.answers["RCPT"].popleft()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802 - the library's name
        if self.answers["DATA"]:
            await asyncio.to_thread(self.before_accepting)
            return self.answers["DATA"].popleft()
        message = BytesParser(policy=default).parsebytes(cast("bytes", envelope.content))
        self.messages.append(message)
        self.recipients += envelope.rcpt_tos
        self.encrypted.append(session.ssl is not None or self.ssl_context is not None)
        await asyncio.to_thread(self.before_accepting)
        return "250 accepted"

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]  # the one that port 0 became
        super()._trigger_server()  # type: ignore[no-untyped-call]

    def __enter__(self) -> "SmtpSink":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.stop()


class Gate:
    """Holds the server before its answer until the test opens it."""

    def __init__(self, sink: SmtpSink) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()
        sink.before_accepting = self._hold

    def _hold(self) -> None:
        self.reached.set()
        assert self.opened.wait(30)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key, as local relays have."""
    certificate, key = folder / "relay.pem", folder / "relay.key"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    subprocess.run([*command.split(), "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return certificate, key
