"""Who is let in, as whom, and what they may do there. Each route stands in a table here: a new one
fails until it does.
"""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest
from click.testing import CliRunner

from forecourt.cli import forecourt
from forecourt.cli.errors import Refused
from forecourt.cli.web import listening
from forecourt.operations import passwords, people
from forecourt.operations.tokens import digest
from forecourt.web import access
from forecourt.web.people import Role
from forecourt.web.table import RULES
from serving import HTML, OURS

PASSWORD = "correct horse battery"

EVERYBODY = {
    ("GET", "/login"), ("POST", "/login"), ("POST", "/language"), ("GET", "/unsubscribe/{token}"),
    ("POST", "/unsubscribe/{token}"),
}  # fmt: skip
VIEWER = {
    ("GET", "/"), ("GET", "/night"), ("GET", "/schedule"), ("GET", "/schedule/{name:path}"), ("GET", "/queues"),
    ("GET", "/queues/{name:path}"), ("GET", "/calls"), ("GET", "/calls/{id:int}"), ("GET", "/failures"), ("GET", "/workers"),
    ("GET", "/audit"), ("GET", "/doctor"), ("GET", "/alerts"), ("GET", "/marketplace"), ("GET", "/performance"), ("GET", "/health"),
    ("GET", "/settings"), ("GET", "/metrics"),
    ("GET", "/sitemap.xml"), ("GET", "/sitemap-{shard}"),
    ("POST", "/settings"), ("POST", "/logout"),
}  # fmt: skip
OPERATOR = {
    ("POST", "/schedule/trigger"), ("POST", "/schedule/pause"), ("POST", "/schedule/resume"), ("POST", "/queues/pause"),
    ("POST", "/queues/resume"), ("POST", "/calls/act"), ("POST", "/calls/{id:int}/retry"), ("POST", "/calls/{id:int}/cancel"),
    ("POST", "/failures/retry"), ("POST", "/workers/restart"), ("POST", "/calls/matching"), ("POST", "/calls/{id:int}/run-now"),
    ("POST", "/workers/quiet"), ("POST", "/workers/resume"), ("POST", "/workers/stop"),
}  # fmt: skip
ADMIN = {
    ("POST", "/queues/clear"), ("POST", "/calls/{id:int}/forget"), ("POST", "/failures/forget"), ("POST", "/schedule/add"),
    ("POST", "/schedule/edit"), ("POST", "/schedule/remove"), ("POST", "/settings/business"), ("POST", "/settings/default"),
}  # fmt: skip
VIEWER |= {
    ("GET", f"/api/v1/{path}")
    for path in (
        "openapi.json", "me", "overview", "top", "night", "doctor", "alerts", "marketplace", "audit", "queues", "calls",
        "calls/matching",
        "calls/{id:path}", "failures", "failures/calls", "failures/ids", "workers", "performance", "tasks",
        "tasks/{task:path}", "occurrences", "explanations", "schedule/declared", "workflows", "workflows/{id:path}",
        "queues/explanations",
    )
}  # fmt: skip
OPERATOR |= {
    ("POST", f"/api/v1/{path}")
    for path in (
        "queues/pause", "queues/resume", "calls/cancel", "calls/cancel-matching", "calls/run-now",
        "calls/run-now-matching", "failures/retry", "failures/retry-matching", "workers/restart",
        "workers/quiet", "workers/resume", "workers/stop",
        "schedule/trigger", "schedule/pause", "schedule/resume", "workflows/cancel", "workflows/retry",
    )
}  # fmt: skip
ADMIN |= {
    ("POST", f"/api/v1/{path}")
    for path in (
        "calls/dispatch", "queues/clear", "failures/forget", "failures/forget-matching",
        "schedule/add", "schedule/edit", "schedule/remove",
    )
}  # fmt: skip
BEACONS = {("POST", "/api/v1/events"), ("OPTIONS", "/api/v1/events")}
"""The first looks for its token by itself, since a beacon's is in its body; the second is a
browser's question before it sends.
"""
OPERATOR |= {("POST", "/api/v1/push/subscriptions"), ("DELETE", "/api/v1/push/subscriptions")}
OPERATOR |= {("POST", "/api/v1/listings/{id}/photos"), ("PUT", "/api/v1/listings/{id}/photos")}
VIEWER |= {("GET", "/api/v1/listings/{id}/photos/{call}")}
ROLES = {None: EVERYBODY | BEACONS, Role.VIEWER: VIEWER, Role.OPERATOR: OPERATOR, Role.ADMIN: ADMIN}


@pytest.fixture
def house(pages: httpx.Client, tx: psycopg.Connection) -> Iterator[httpx.Client]:
    """A house with a viewer, an operator and an admin; nobody is signed in."""
    for role in ("viewer", "operator", "admin"):
        people.add(tx, role, role, PASSWORD, who="the test")
    access._remembered.clear()
    yield pages
    access._remembered.clear()


def sign_in(house: httpx.Client, name: str, password: str = PASSWORD, to: str = "/") -> httpx.Response:
    return house.post("/login", data={"name": name, "password": password, "next": to}, headers=OURS)


def a_path(rule: str) -> str:
    filled = {"name": "high", "id": "7"}
    return re.sub(r"\{(\w+):\w+\}", lambda found: filled.get(found[1], "heartbeat"), rule).replace(
        "{shard}", "listings-0001.xml.gz"
    )


def test_every_route_stands_in_the_table_of_roles() -> None:
    known = {(method, path): role for role, routes in ROLES.items() for method, path in routes}
    assert known == {(rule.method, rule.path): rule.role for rule in RULES}


def test_each_role_gets_what_it_may_and_nothing_more(house: httpx.Client) -> None:
    for role in Role:
        assert sign_in(house, role.word).status_code == 200
        for rule in sorted(RULES, key=lambda rule: rule.path == "/logout"):
            allowed = rule.role is None or role >= rule.role
            answer = house.request(rule.method, a_path(rule.path), headers=OURS, follow_redirects=False)
            refused = answer.status_code == 403 and "this needs the role" in answer.text
            assert refused is not allowed, (role, rule.method, rule.path, answer.status_code)
            assert answer.status_code < 500 or rule.path == "/health", (role, rule)


def test_without_signing_in_nothing_but_the_form_and_the_probes_answers(house: httpx.Client) -> None:
    for rule in RULES:
        answer = house.request(rule.method, a_path(rule.path), headers=OURS, follow_redirects=False)
        if (rule.method, rule.path) in BEACONS:
            assert answer.status_code in (401, 200), rule
        elif (rule.method, rule.path) in EVERYBODY:
            assert answer.status_code in (200, 400, 403, 404), rule
        elif rule.path.startswith("/api/"):
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="forecourt"'), rule
            assert answer.headers["content-type"] == "application/problem+json"
        elif rule.method == "GET":
            assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/login"), rule
        else:
            assert answer.status_code == 401, rule
    assert house.get("/livez").status_code == 200


def test_buttons_that_somebody_may_not_press_are_not_there(house: httpx.Client, scene: dict[str, int]) -> None:
    sign_in(house, "viewer")
    assert '<form method="post" action="/queues' not in house.get("/queues").text
    assert "Forget" not in house.get("/failures").text
    house.post("/logout", headers=OURS)
    sign_in(house, "operator")
    page = house.get("/failures").text
    assert "Retry" in page
    assert "Forget" not in page


def test_somebody_who_signs_in_is_led_where_they_wanted_and_named_in_the_audit(
    house: httpx.Client, tx: psycopg.Connection
) -> None:
    asked = house.get("/calls?state=failed")
    assert asked.url.path == "/login"
    assert 'name="next" value="/calls?state=failed"' in asked.text
    answer = sign_in(house, "operator", to="/calls?state=failed")
    assert str(answer.url).endswith("/calls?state=failed")
    house.post("/queues/pause", data={"queue": "high"}, headers=OURS)
    assert tx.execute("SELECT who FROM forecourt.pauses").fetchone() == ("operator (web)",)


@pytest.mark.parametrize(
    ("referer", "back"),
    [("http://localhost/queues/a%25b?x=1", "%2Fqueues%2Fa%2525b%3Fx%3D1"), ("http://[//evil.example", "%2F")],
)
def test_a_button_that_is_pressed_after_the_session_ended_leads_to_signing_in_and_back(
    house: httpx.Client, referer: str, back: str
) -> None:
    pressed = house.post("/queues/pause", data={"queue": "high"}, headers=OURS | {"referer": referer} | HTML)
    assert pressed.status_code == 401
    assert f'href="/login?next={back}"' in pressed.text


def test_the_cookie_cannot_be_read_by_scripts_and_the_database_does_not_know_it(
    house: httpx.Client, tx: psycopg.Connection
) -> None:
    answer = house.post("/login", data={"name": "admin", "password": PASSWORD}, headers=OURS, follow_redirects=False)
    cookie = answer.headers["set-cookie"]
    assert re.search("HttpOnly", cookie)
    assert re.search("SameSite=lax", cookie)
    token = house.cookies[access.COOKIE]
    assert tx.execute("SELECT digest FROM forecourt.sessions").fetchone() == (digest(token),)


def test_signing_out_ends_the_session_for_whoever_has_its_cookie(house: httpx.Client) -> None:
    sign_in(house, "admin")
    token = house.cookies[access.COOKIE]
    house.post("/logout", headers=OURS)
    assert house.get("/", headers={"cookie": f"{access.COOKIE}={token}"}).url.path == "/login"


def test_a_session_ends_by_itself_and_with_its_person(house: httpx.Client, tx: psycopg.Connection) -> None:
    sign_in(house, "admin")
    tx.execute("UPDATE forecourt.sessions SET ends_at = now()")
    access._remembered.clear()
    assert house.get("/").url.path == "/login"
    sign_in(house, "operator")
    people.remove(tx, "operator", who="the test")
    access._remembered.clear()
    assert house.get("/").url.path == "/login"


def test_a_new_password_ends_old_sessions(house: httpx.Client, tx: psycopg.Connection) -> None:
    sign_in(house, "admin")
    people.add(tx, "admin", "admin", "another horse battery", who="the test")
    access._remembered.clear()
    assert house.get("/").url.path == "/login"
    assert sign_in(house, "admin").status_code == 403
    assert sign_in(house, "admin", "another horse battery").status_code == 200


def test_guessing_is_slowed_by_name_and_by_address(house: httpx.Client, tx: psycopg.Connection) -> None:
    begun = time.monotonic()
    codes = [sign_in(house, "admin", f"guess {n}").status_code for n in range(8)]
    assert codes == [403] * 5 + [429] * 3
    late = sign_in(house, "admin")
    assert late.status_code == 429
    assert int(late.headers["retry-after"]) > 0
    codes = [sign_in(house, f"somebody-{n}", "guess").status_code for n in range(192)]
    assert codes.count(403) == 25, "thirty from one address, whatever the names"
    assert time.monotonic() - begun < 60
    tx.execute("UPDATE forecourt.login_failures SET ends_at = now()")
    assert sign_in(house, "admin").status_code == 200


def test_guesses_at_the_same_moment_are_as_few_as_one_after_the_other(house: httpx.Client) -> None:
    with ThreadPoolExecutor(12) as many:
        codes = list(many.map(lambda n: sign_in(house, "admin", f"guess {n}").status_code, range(12)))
    assert sorted(codes) == [403] * 5 + [429] * 7


def test_whoever_signs_in_again_and_again_has_tried_nothing_in_vain(
    house: httpx.Client, tx: psycopg.Connection
) -> None:
    assert [sign_in(house, "admin").status_code for _ in range(7)] == [200] * 7
    assert tx.execute("SELECT sum(tries) FROM forecourt.login_failures").fetchone() == (0,)


def test_who_comes_through_a_proxy_does_not_count_as_this_machine(pages: httpx.Client) -> None:
    for header in ("x-forwarded-for", "x-real-ip", "forwarded", "via", "x-forwarded-host"):
        answer = pages.get("/", headers={header: "203.0.113.7"})
        assert answer.status_code == 403, header
        assert "forecourt web user add" in answer.text, header
    assert pages.get("/").status_code == 200


def test_other_machines_are_let_in_only_when_there_is_somebody_who_could_sign_in(
    database: str, tx: psycopg.Connection
) -> None:
    with pytest.raises(Refused, match="forecourt web user add"):
        listening("0.0.0.0", 0)
    people.add(tx, "anna", "admin", PASSWORD, who="the test")
    with listening("0.0.0.0", 0) as opened:
        assert opened.getsockname()[1] > 0


def test_passwords_are_salted_and_only_the_right_one_fits() -> None:
    kept = passwords.hashed("ملك الليل 42")
    assert passwords.fits("ملك الليل 42", kept)
    assert not passwords.fits("ملك الليل 43", kept)
    assert kept != passwords.hashed("ملك الليل 42")


def test_people_are_added_listed_and_removed_by_commands(database: str, tx: psycopg.Connection) -> None:
    def run(*arguments: str, typed: str = "") -> tuple[int, str]:
        done = CliRunner().invoke(forecourt, ["web", "user", *arguments], input=typed)
        return done.exit_code, done.output or str(done.exception)

    assert run("add", "anna", "--role", "admin", typed=f"{PASSWORD}\n") == (0, "anna may sign in as admin.\n")
    assert run("add", "anna", "--role", "viewer", typed=f"{PASSWORD}\n")[1].startswith("anna is viewer now")
    assert "viewer" in run("list")[1]
    assert "10 to 1000 characters" in run("add", "omar", typed="short\n")[1]
    assert "cannot be a name" in run("add", "Omar Sharif", typed=f"{PASSWORD}\n")[1]
    assert run("remove", "anna") == (0, "anna may not sign in any more.\n")
    assert "nobody is named" in run("remove", "anna")[1]
    actions = [row[0] for row in tx.execute("SELECT action FROM forecourt.audit ORDER BY id")]
    assert actions == ["web user add", "web user add", "web user remove"]
    assert PASSWORD not in str(tx.execute("SELECT array_agg(target) FROM forecourt.audit").fetchone())
