"""The SMTP server that takes the mails: its address, and a connection that is as private as the
server allows.
"""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

CONNECT_SECONDS = 5
"""How long the server may take to accept the connection and to answer each command of the greeting
and the login.
"""

ANSWER_SECONDS = 15
"""How long it may take over each command of the mail itself. Giving up on the last answer, while
the server still files the mail, is what makes mails arrive twice (RFC 1047)."""

LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mails are handed over, and as whom."""

    host: str
    port: int
    tls_from_start: bool
    user: str | None
    password: str

    @classmethod
    def of(cls, url: str) -> "SmtpServer":
        """Reads what `smtp_url` of the settings accepts."""
        parts = urlsplit(url)
        return cls(
            host=parts.hostname or "",
            port=parts.port or (465 if parts.scheme == "smtps" else 25),
            tls_from_start=parts.scheme == "smtps",
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password or ""),
        )

    def __str__(self) -> str:
        return f"SMTP server {self.host}:{self.port}"

    @contextmanager
    def connection(self) -> Iterator[smtplib.SMTP]:
        """A connection greeted, encrypted where the server offers it, and logged in where there is
        a user.

        Raises smtplib.SMTPException or OSError.
        """
        connection = self._connect()
        try:
            if not self.tls_from_start:
                self._encrypt(connection)
            if self.user:
                connection.login(self.user, self.password)
            if connection.sock:
                connection.sock.settimeout(ANSWER_SECONDS)
            yield connection
            with suppress(smtplib.SMTPException, OSError):
                connection.putcmd("quit")  # nobody waits for the farewell: what was accepted is accepted
        finally:
            connection.close()

    def _connect(self) -> smtplib.SMTP:
        if self.tls_from_start:
            return smtplib.SMTP_SSL(self.host, self.port, timeout=CONNECT_SECONDS, context=self._trust())
        return smtplib.SMTP(self.host, self.port, timeout=CONNECT_SECONDS)

    def _encrypt(self, connection: smtplib.SMTP) -> None:
        connection.ehlo_or_helo_if_needed()
        if connection.has_extn("starttls"):
            connection.starttls(context=self._trust())
        elif self.user and self.host not in LOOPBACK:
            raise smtplib.SMTPException("it offers no STARTTLS, and the password must not travel in the clear")

    def _trust(self) -> ssl.SSLContext:
        """Certificates are verified, except on loopback: a local relay signs its own, and nobody is
        in between.
        """
        trust = ssl.create_default_context()
        if self.host in LOOPBACK:
            trust.check_hostname = False
            trust.verify_mode = ssl.CERT_NONE
        return trust
