"""FastAPI: what the README says works, and a request that fails leaves no call."""

import json

from fleet import wait_until
from newcomers import Newcomer


def test_a_parcel_and_its_call_are_one_commit(newcomer: Newcomer) -> None:
    *_, sent, shown = newcomer.follow()
    assert json.loads(sent)["parcel"] == 1
    assert json.loads(shown)["address"] == "Damascus"
    wait_until(lambda: newcomer.looking.count("done") == 1)
    again = newcomer.type("curl -s http://127.0.0.1:8001/parcels/1")
    assert json.loads(again) == {"address": "Damascus", "route": "north of Damascus"}
    newcomer.looking.connection.execute("ALTER TABLE parcels ADD CHECK (false) NOT VALID")
    newcomer.type("curl -s -o /dev/null -w '%{http_code}' -X POST 'http://127.0.0.1:8001/parcels?address=Nowhere'")
    assert (newcomer.looking.live(), newcomer.looking.count("done")) == (0, 1)
