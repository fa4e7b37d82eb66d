"""Flask: what the README says works."""

import json

from fleet import wait_until
from newcomers import Newcomer


def test_a_ticket_and_its_call_are_one_commit(newcomer: Newcomer) -> None:
    *_, opened, shown = newcomer.follow()
    assert json.loads(opened) == {"ticket": 1}
    assert json.loads(shown)["subject"] == "Fire in the kitchen"
    wait_until(lambda: newcomer.looking.count("done") == 1)
    again = newcomer.type("curl -s http://127.0.0.1:8001/tickets/1")
    assert json.loads(again) == {"subject": "Fire in the kitchen", "urgent": True}
