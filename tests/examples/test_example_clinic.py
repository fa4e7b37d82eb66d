"""An application without the marketplace: its own tables and jobs, and nothing of cars."""

from fleet import wait_until
from newcomers import Newcomer

SOWN = """
INSERT INTO patients (id, name)
VALUES (1, 'Leila'), (2, 'Omar');

INSERT INTO appointments (patient_id, begins_at)
VALUES (1, now() + interval '2 hours'), (1, now() - interval '1 hour'), (1, now() - interval '2 hours'),
       (2, now() + interval '3 days')
"""

WHAT_IS_LOADED = """
import sys
from forecourt.app import load
app = load()
assert not app.has_marketplace
print(*sorted(name for name in app.jobs if "." not in name))
print(*[name for name in sys.modules if name.startswith(("forecourt.marketplace", "PIL", "pyarrow", "babel"))])
"""


def test_the_clinic_does_its_work_and_gets_nothing_of_the_marketplace_s(newcomer: Newcomer) -> None:
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
    jobs = newcomer.type(f"python -c '{WHAT_IS_LOADED}'").split()
    assert jobs == ["close_the_day", "remind", "remind_of_tomorrow"]
    named = [path.name for path in newcomer.folder.rglob("*.py") if "marketplace" in path.read_text()]
    assert named == []
