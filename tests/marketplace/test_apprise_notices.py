"""Promises of notices by Apprise: to the service whose address an operator entered, which nobody is
shown again.
"""

import json
import sys
from typing import Any

import pytest
from showroom import calls, told, user
from sqlalchemy import text
from sqlalchemy.orm import Session
from test_commands import run, said

from forecourt.alerts.apprise import AppriseMissing, NotAnAddress, NotSent
from forecourt.database import engine, in_transaction_of
from forecourt.marketplace.apprise_notices import send_notice, set_address
from forecourt.marketplace.notice_preferences import prefer
from listener import Listener

SECRET = "s3cr3t-t0ken"


def attempt(call: dict[str, Any]) -> dict[str, int]:
    with Session(engine()) as own, own.begin():
        return send_notice(**call, session=own)


def test_a_notice_goes_to_its_user_s_service_in_their_language_and_again_until_it_is_taken(
    session: Session, service: Listener
) -> None:
    sami = user(session, "Sami", locale="ar")
    url = f"{service.url.replace('http:', 'json:')}/{SECRET}?method=POST"
    assert set_address(in_transaction_of(session), sami.id, url)
    told(session, owner=sami, title="كيا", slug="kia")
    told(session, owner=user(session, "Nour"))
    [call] = calls(session, "send_notice")
    service.answers.append(500)
    with pytest.raises(NotSent) as refused:
        attempt(call)
    assert attempt(call) == {"sent": 1}
    sent = json.loads(service.heard[-1].body)
    assert "كيا" in sent["message"]
    assert sent["message"].endswith("http://localhost:8000/car-listings/kia/renew")
    prefer(in_transaction_of(session), sami.id, "*", "never", "apprise")
    session.commit()
    assert attempt(call) == {"suppressed": 1}
    rows = session.execute(text("SELECT outcome, detail FROM notice_deliveries WHERE channel = 'apprise' ORDER BY id"))
    outcomes, details = zip(*rows, strict=True)
    assert outcomes == ("put off", "sent", "suppressed")
    assert details[0] == str(refused.value)
    assert "json://… did not take it" in details[0]
    assert SECRET not in details[0]


def test_an_address_is_entered_by_an_operator_and_its_secret_shown_nowhere(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    sami = user(session, "Sami")
    session.commit()
    url = f"json://sami:{SECRET}@127.0.0.1/x"
    shown = said(run("notices", "apprise", sami.id, url, "--json"))
    assert shown == {"user": sami.id, "service": "json://…"}
    seen = run("notices", "apprise", sami.id).stdout
    assert ("json://…, since" in seen, SECRET in seen) == (True, False)
    assert SECRET not in str(session.scalars(text("SELECT target FROM forecourt.audit")).all())
    held = run("privacy", "export", sami.id).stdout
    assert ('"url": "json"' in held, SECRET in held) == (True, False)
    run("notices", "apprise", 404, url, code=5)
    for wrong in ("nosuch://x", "json://"):
        error = run("notices", "apprise", sami.id, wrong, code=2).exception
        assert isinstance(error, NotAnAddress)
    assert said(run("notices", "apprise", sami.id, "--off", "--json")) == {"user": sami.id, "removed": True}
    assert "has no address" in run("notices", "apprise", sami.id).stdout
    monkeypatch.setitem(sys.modules, "apprise", None)
    error = run("notices", "apprise", sami.id, url, code=1).exception
    assert isinstance(error, AppriseMissing)
    assert "pip install 'forecourt[apprise]'" in str(error)
