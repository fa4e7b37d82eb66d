"""Promises of mail: one message, the same in every attempt, handed to a real server or laid down as
a file.
"""

import ssl
from dataclasses import replace
from datetime import UTC, datetime
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from socket import create_server
from urllib.parse import quote

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword

from forecourt import smtp
from forecourt.marketplace.mail import Mail, MailDelayed, MailRefused, compose, hand_over
from forecourt.settings import settings
from forecourt.smtp import SmtpServer
from smtp_sink import SmtpSink, certificate

MAIL = Mail(
    key="low_wallet_balance:7:2026-11-23",
    to="sami@example.com",
    language="ar",
    at=datetime(2026, 11, 23, 6, 0, tzinfo=UTC),
    subject="رصيد محفظتك منخفض",
    text="مرحبًا\n" * 3,
    html="<p>مرحبًا</p>" * 100,
)


@pytest.fixture(autouse=True)
def _settings(empty_var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECOURT_MAIL_FROM", "سوق السيارات <no-reply@cars.example>")
    settings.cache_clear()


def use(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECOURT_SMTP_URL", url)
    settings.cache_clear()


def files() -> list[Path]:
    return sorted(settings().outbox.iterdir())


# The message


def test_a_long_address_where_mails_end_stays_in_one_line_as_it_is() -> None:
    """An encoded word would be valid, and no mail program would show its button."""
    address = f"https://{'long-name.' * 12}example/unsubscribe/7.low_wallet_balance.signature"
    written = bytes(compose(replace(MAIL, unsubscribe=address))).decode()
    assert f"\r\nList-Unsubscribe: <{address}>\r\n" in written
    assert "\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in written
    assert "List-Unsubscribe" not in bytes(compose(MAIL)).decode()


def test_a_picture_lies_in_the_mail_beside_the_html_that_shows_it_and_the_bytes_stay_the_same() -> None:
    mail = replace(MAIL, pictures={"views": b"\x89PNG..."})
    assert bytes(compose(mail)) == bytes(compose(mail))
    message = BytesParser(policy=default).parsebytes(bytes(compose(mail)))
    assert message.defects == []
    kinds = [part.get_content_type() for part in message.walk()]
    assert kinds == ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png"]


def test_a_message_carries_text_and_html_and_says_that_a_machine_wrote_it() -> None:
    message = BytesParser(policy=default).parsebytes(bytes(compose(MAIL)))
    assert message.defects == []
    assert message.get_content_type() == "multipart/alternative"
    text, page = message.iter_parts()
    assert (text.get_content_type(), page.get_content_type()) == ("text/plain", "text/html")
    assert text.get_content().replace("\r\n", "\n") == MAIL.text
    assert page.get_content().strip() == MAIL.html
    assert message["From"] == "سوق السيارات <no-reply@cars.example>"
    assert (message["To"], message["Subject"]) == ("sami@example.com", MAIL.subject)
    assert (message["Auto-Submitted"], message["Content-Language"]) == ("auto-generated", "ar")
    assert message["Date"].datetime == MAIL.at
    assert message["Message-ID"].endswith("@cars.example>")


def test_a_message_is_pure_ascii_with_short_lines_so_that_any_server_may_relay_it() -> None:
    data = bytes(compose(MAIL))
    assert data.isascii()
    assert all(len(line) <= 998 for line in data.split(b"\r\n"))


def test_the_same_mail_is_the_same_bytes_in_every_attempt() -> None:
    assert bytes(compose(MAIL)) == bytes(compose(MAIL))


def test_the_message_id_follows_the_key_and_not_the_text() -> None:
    first, reworded = compose(MAIL), compose(replace(MAIL, subject="Low", text="Low", language="en"))
    assert first["Message-ID"] == reworded["Message-ID"]
    assert compose(replace(MAIL, key="low_wallet_balance:8:2026-11-23"))["Message-ID"] != first["Message-ID"]


@pytest.mark.parametrize("newline", ["\r\n", "\n", "\r", "\u2028", "\x85", "\v"])
def test_a_line_break_in_a_subject_adds_no_header(newline: str) -> None:
    message = compose(replace(MAIL, subject=f"Low{newline}Bcc: all@example.com"))
    parsed = BytesParser(policy=default).parsebytes(bytes(message))
    assert parsed["Subject"] == "Low Bcc: all@example.com"
    assert parsed["Bcc"] is None


@pytest.mark.parametrize(
    "address",
    [
        "",
        "sami",
        "sami@",
        "@example.com",
        "a b@example.com",
        "a@b@example.com",
        "a@x, b@example.com",
        "<a@example.com>",
        "a@example.com\r\nBcc: all@example.com",
        "سامي@example.com",
        "a@exa..mple.com",
    ],
)
def test_an_address_that_is_none_is_refused_for_good(address: str) -> None:
    with pytest.raises(MailRefused, match="is not an e-mail address"):
        compose(replace(MAIL, to=address))


def test_an_arabic_domain_is_written_as_dns_knows_it() -> None:
    assert compose(replace(MAIL, to="sami@مثال.سورية"))["To"] == "sami@xn--mgbh0fb.xn--ogbpf8fl"


# The outbox


@pytest.mark.parametrize("url", [None, ""])
def test_without_a_server_a_mail_becomes_a_file_that_any_mail_program_opens(
    url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if url is not None:
        use(url, monkeypatch)
    hand_over(compose(MAIL))
    [file] = files()
    assert file.suffix == ".eml"
    message = BytesParser(policy=default).parsebytes(file.read_bytes())
    assert message["Message-ID"] == f"<{file.stem}@cars.example>"
    assert message["Subject"] == MAIL.subject


def test_the_same_mail_is_the_same_file_and_another_mail_another() -> None:
    for _ in range(3):
        hand_over(compose(MAIL))
    hand_over(compose(replace(MAIL, key="other")))
    assert len(files()) == 2


# The server


def test_a_mail_reaches_its_recipient_as_composed(monkeypatch: pytest.MonkeyPatch) -> None:
    with SmtpSink() as sink:
        use(sink.url, monkeypatch)
        hand_over(compose(MAIL))
    [message] = sink.messages
    text, page = message.iter_parts()
    assert text.get_content().replace("\r\n", "\n") == MAIL.text
    assert page.get_content().strip() == MAIL.html
    assert message["Subject"] == MAIL.subject
    assert sink.recipients == ["sami@example.com"]
    assert not settings().outbox.exists()


@pytest.mark.parametrize("step", ["RCPT", "DATA"])
def test_a_mail_that_is_put_off_can_be_tried_again(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with SmtpSink() as sink:
        use(sink.url, monkeypatch)
        sink.answers[step].append("451 greylisted, come back")
        with pytest.raises(MailDelayed, match=rf"127.0.0.1:{sink.port} put it off: 451 greylisted, come back"):
            hand_over(compose(MAIL))
        assert sink.messages == []
        hand_over(compose(MAIL))
    assert len(sink.messages) == 1


@pytest.mark.parametrize("step", ["RCPT", "DATA"])
def test_a_mail_that_is_refused_is_refused_for_good(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with SmtpSink() as sink:
        use(sink.url, monkeypatch)
        sink.answers[step].append("550-no\r\n550 such\0 user")  # and it is said in what a table can hold
        with pytest.raises(MailRefused, match="refused it: 550 no such user"):
            hand_over(compose(MAIL))
    assert sink.messages == []


def test_a_server_that_is_away_delays_the_mail_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    use(f"smtp://127.0.0.1:{port}", monkeypatch)
    with pytest.raises(MailDelayed, match=f"SMTP server 127.0.0.1:{port}: .*refused.*tried again"):
        hand_over(compose(MAIL))


def test_a_server_that_never_answers_delays_the_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "CONNECT_SECONDS", 0.2)
    with create_server(("127.0.0.1", 0)) as silent:
        use(f"smtp://127.0.0.1:{silent.getsockname()[1]}", monkeypatch)
        with pytest.raises(MailDelayed, match="timed out"):
            hand_over(compose(MAIL))


def test_a_farewell_that_goes_wrong_does_not_undo_the_acceptance(monkeypatch: pytest.MonkeyPatch) -> None:
    class Rude(SmtpSink):
        async def handle_QUIT(self, *_: object) -> str:  # noqa: N802
            return "421 no time for farewells"

    with Rude() as sink:
        use(sink.url, monkeypatch)
        hand_over(compose(MAIL))
    assert len(sink.messages) == 1


def test_a_sender_that_the_server_does_not_take_is_the_operator_s_to_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    class Strict(SmtpSink):
        async def handle_MAIL(self, *_: object) -> str:  # noqa: N802 - the library's name
            return "550 no relaying for you"

    with Strict() as sink:
        use(sink.url, monkeypatch)
        with pytest.raises(MailDelayed, match=r"it refused the sender [^ ]*: 550 no relaying for you; the mail"):
            hand_over(compose(MAIL))


def test_a_login_that_fails_is_the_operator_s_to_repair_and_shows_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    with SmtpSink(authenticator=lambda *_: AuthResult(success=False, handled=False), auth_require_tls=False) as sink:
        use(f"smtp://user:secret@127.0.0.1:{sink.port}", monkeypatch)
        with pytest.raises(MailDelayed, match="535") as caught:
            hand_over(compose(MAIL))
    assert "secret" not in str(caught.value)


def test_encryption_is_used_where_offered_and_passwords_may_hold_any_character(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    password, seen = "p@ss:w/rd#100%", []

    def authenticate(*given: object) -> AuthResult:
        login = given[-1]
        assert isinstance(login, LoginPassword)
        seen.append((login.login.decode(), login.password.decode()))
        return AuthResult(success=True)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(tmp_path))
    with SmtpSink(tls_context=context, authenticator=authenticate) as sink:
        use(f"smtp://{quote('night@shift', safe='')}:{quote(password, safe='')}@127.0.0.1:{sink.port}", monkeypatch)
        hand_over(compose(MAIL))
    assert seen == [("night@shift", password)]
    assert sink.encrypted == [True]


def test_smtps_is_encrypted_from_the_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(tmp_path))
    with SmtpSink(ssl_context=context) as sink:
        use(f"smtps://127.0.0.1:{sink.port}", monkeypatch)
        hand_over(compose(MAIL))
    assert sink.encrypted == [True]


def test_a_password_does_not_travel_in_the_clear_to_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "LOOPBACK", ())
    with SmtpSink() as sink:
        use(f"smtp://user:secret@127.0.0.1:{sink.port}", monkeypatch)
        with pytest.raises(MailDelayed, match="offers no STARTTLS") as caught:
            hand_over(compose(MAIL))
    assert "secret" not in str(caught.value)
    assert sink.messages == []


def test_a_certificate_that_nobody_vouches_for_is_not_trusted_off_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "LOOPBACK", ())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(tmp_path))
    with SmtpSink(tls_context=context) as sink:
        use(sink.url, monkeypatch)
        with pytest.raises(MailDelayed, match="CERTIFICATE_VERIFY_FAILED"):
            hand_over(compose(MAIL))
    assert sink.messages == []


def test_ports_default_to_those_of_the_scheme() -> None:
    assert (SmtpServer.of("smtp://h").port, SmtpServer.of("smtps://h").port) == (25, 465)
