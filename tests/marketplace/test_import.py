"""Promises of imports: every row once or refused by its line, from each kind of file, also when it
is killed in the middle.
"""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from showroom import listing
from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt.marketplace.imports import mysql
from forecourt.marketplace.imports.mapping import WrongMapping, read
from forecourt.marketplace.imports.running import Imported, rehearse, run
from forecourt.marketplace.imports.sources import CannotRead, form_of, rows
from forecourt.marketplace.models import CarListing, CarProvider, User

EXAMPLES = Path(__file__).parents[2] / "examples"


def brought_in(kind: str, path: Path, mapping: Path | None = None) -> Imported:
    return run(path, form_of(path), read(kind, mapping))


def lines_of(found: Imported) -> list[tuple[int, str]]:
    return [(place.line, why) for place, why in found.refused]


def events(session: Session) -> list[tuple[int, str, str | None, datetime]]:
    found = session.execute(
        text("SELECT car_listing_id, event_type, host(user_ip), created_at FROM car_listing_analytics ORDER BY id")
    )
    return [tuple(row) for row in found]


def test_the_example_s_dump_comes_in_whole_and_what_will_not_do_is_named_by_its_line(session: Session) -> None:
    dump = EXAMPLES / "marketplace.sql"
    assert brought_in("users", dump).imported == 3
    assert brought_in("providers", dump).imported == 2
    listings = brought_in("listings", dump, EXAMPLES / "listings.toml")
    assert (listings.imported, listings.left_out) == (3, ["description"])
    assert lines_of(listings) == [(76, 'Key (owner_id)=(9) is not present in table "users".')]
    raw = brought_in("events", dump, EXAMPLES / "events.toml")
    assert (raw.imported, lines_of(raw)) == (4, [(91, "car_listing_id: there is no listing 9")])

    names = {user.id: user.name for user in session.query(User)}
    assert names == {1: "Sami Haddad", 2: "Rana O'Neil", 3: "لينا درويش"}
    wadi = session.get_one(CarProvider, 1)
    assert (wadi.name, wadi.wallet_balance, wadi.is_verified) == ("Al Wadi Motors", Decimal("42.50"), True)
    rio, golf = session.get_one(CarListing, 1), session.get_one(CarListing, 3)
    assert (rio.title, rio.views_count, rio.is_sponsored) == ("Kia Rio 2019", 1250, True)
    assert rio.created_at.isoformat() == "2024-01-07T05:00:00+00:00"  # 8 o'clock in Damascus
    assert (golf.title, golf.deleted_at is not None) == ("VW Golf '98", True)
    assert [kind for _, kind, _, _ in events(session)] == ["view", "view", "contact_phone", "view"]
    mine = listing(session)
    assert mine.id > 3  # what the database numbers stands behind what came in


def test_a_dry_run_says_what_the_run_will_do_and_changes_nothing(session: Session) -> None:
    dump = EXAMPLES / "marketplace.sql"
    would = rehearse(dump, "mysql", read("users", None))
    assert (would.new, session.query(User).count()) == (3, 0)
    assert brought_in("users", dump).new == would.new


def test_a_file_that_is_done_is_not_imported_again_but_refused_rows_are_tried_again(
    session: Session, tmp_path: Path
) -> None:
    car = listing(session)
    session.commit()
    file = tmp_path / "events.csv"
    file.write_text(
        "car_listing_id,event_type,user_ip,created_at\n"
        f"{car.id},view,203.0.113.7,2026-11-20 08:00:00\n"
        f"{car.id},call,,2026-11-20 08:00:00\n"
    )
    first = brought_in("events", file)
    assert (first.new, lines_of(first)[0][0]) == (1, 3)
    assert "'call' is not one of view" in lines_of(first)[0][1]
    better = tmp_path / "better.toml"
    better.write_text('[values.event_type]\ncall = "contact_phone"\n')
    second = brought_in("events", file, better)
    assert (second.new, second.resumed, second.refused) == (1, 2, [])
    third = brought_in("events", file, better)
    assert (third.new, len(events(session))) == (0, 2)


def test_an_id_that_was_given_out_is_never_given_out_again_after_an_import(session: Session, tmp_path: Path) -> None:
    first = listing(session)
    gone = listing(session, owner=first.owner)
    owner, last = first.owner.id, gone.id
    session.delete(gone)
    session.commit()
    file = tmp_path / "listings.csv"
    file.write_text(f"id,owner_id,title,slug\n{last + 10},{owner},Kia,kia-far\n{first.id},{owner},Kia,kia-there\n")
    assert brought_in("listings", file).new == 1
    session.execute(text("DELETE FROM car_listings WHERE id > :id"), {"id": first.id})
    session.commit()
    file.write_text(f"id,owner_id,title,slug\n{first.id},{owner},Kia,kia-there\n")
    assert brought_in("listings", file).there == 1
    assert listing(session, owner=first.owner).id > last + 10


def test_what_is_there_already_stays_as_it_is(session: Session, tmp_path: Path) -> None:
    session.add(User(id=7, name="Here", email="here@example.com"))
    session.commit()
    file = tmp_path / "users.csv"
    file.write_text("id;name;email\n7;Other;other@example.com\n8;New;new@example.com\n9;Twice;here@example.com\n")
    found = brought_in("users", file)
    assert (found.new, found.there) == (1, 1)
    assert lines_of(found) == [(4, "Key (email)=(here@example.com) already exists.")]
    assert session.get_one(User, 7).name == "Here"


def test_every_column_that_will_not_do_is_named_with_its_line(session: Session, tmp_path: Path) -> None:
    session.add(User(id=1, name="Sami"))
    session.commit()
    good = {"id": "", "owner_id": "1", "title": "Kia, red\nand new", "slug": "kia", "price": "9800", "is_hidden": "no"}
    bad = [
        {"owner_id": "one"},
        {"price": "cheap"},
        {"is_hidden": "perhaps"},
        {"title": ""},
        {"sponsored_until": "tomorrow"},
        {"photos": "{}"},
    ]
    file = tmp_path / "listings.csv"
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, [*good, "sponsored_until", "photos", "colour"])
        writer.writeheader()
        for number, change in enumerate([{}, *bad]):
            writer.writerow(good | {"slug": f"kia-{number}"} | change)
        out.write("1,2,3\n")
    found = brought_in("listings", file)
    assert (found.new, found.left_out) == (1, ["colour"])
    assert lines_of(found) == [
        (4, "owner_id: 'one' is not a whole number"),
        (6, "price: 'cheap' is not a number"),
        (8, "is_hidden: 'perhaps' is neither true nor false"),
        (10, "title: there is none"),
        (11, "sponsored_until: 'tomorrow' is not a date and time such as 2026-11-27 13:00:00"),
        (13, "photos: it is not a list"),
        (15, "3 fields, and the first line has 9"),
    ]
    assert session.query(CarListing.title).scalar() == "Kia, red\nand new"


def test_parquet_comes_in_with_its_own_types(session: Session, tmp_path: Path) -> None:
    car = listing(session)
    session.commit()
    at = datetime.fromisoformat("2026-11-20T08:00:00+00:00")
    table = pa.table(
        {
            "car_listing_id": [car.id] * 3,
            "event_type": ["view", "share", "view"],
            "user_ip": ["::ffff:203.0.113.7", None, "nonsense"],
            "created_at": pa.array([at, at + timedelta(hours=1), at], pa.timestamp("us", tz="UTC")),
        }
    )
    pq.write_table(table, tmp_path / "events.parquet")
    found = brought_in("events", tmp_path / "events.parquet")
    assert lines_of(found) == [(3, "user_ip: 'nonsense' is not an IP address")]
    assert events(session) == [(car.id, "view", "203.0.113.7", at), (car.id, "share", None, at + timedelta(hours=1))]
    odd = {
        "owner_id": [1],
        "title": ["Kia"],
        "slug": ["kia"],
        "photos": pa.array([[b"raw"]]),
        "created_at": ["9999-12-31T23:59-12:00"],
    }
    for reason in ("photos: .* is not a JSON list", "created_at: .* is not a date and time"):
        pq.write_table(pa.table(odd), tmp_path / "odd.parquet")
        [(_, why)] = brought_in("listings", tmp_path / "odd.parquet").refused
        assert re.match(reason, why)
        del odd["photos" if "photos" in odd else "created_at"]


@pytest.mark.parametrize(
    ("dump", "expected"),
    [
        ("INSERT INTO `cars` (`a`, `b`) VALUES (1,'x'),(2,'y');\n", [(1, "1", "x"), (1, "2", "y")]),
        (
            "INSERT INTO cars (a,b) VALUES\n  (1, 'it''s; (a) \\'b\\' \\\\'),\n  (NULL, NULL)\n;\n",
            [(2, "1", "it's; (a) 'b' \\"), (3, None, None)],
        ),
        ("insert into `cars` (`a`,`b`) values (-1.5e3,'two\nlines');\n", [(1, "-1.5e3", "two\nlines")]),
        (
            "INSERT INTO `others` VALUES (ST_GeomFromText('POINT(1 ;2)'));\n"
            "REPLACE INTO `cars` (`a`,`b`) VALUES (b'1',_binary 'z\\n');\n",
            [(2, "b'1'", "z\n")],
        ),
    ],
)
def test_a_dump_is_read_as_a_server_would_read_it(
    dump: str, expected: list[tuple[int, str | None, str | None]]
) -> None:
    found = [(line, row["a"], row["b"]) for line, row in mysql.rows(iter(dump.splitlines(keepends=True)), "cars")]
    assert found == expected


@pytest.mark.parametrize(
    ("dump", "why"),
    [
        ("SELECT 1;\n", "there is no table cars in it"),
        ("INSERT INTO `cars` VALUES (1);\n", "before its CREATE TABLE"),
        ("INSERT INTO `cars` (`a`) VALUES (1),(2\n", "the row that begins here cannot be read"),
        ("INSERT INTO `cars` (`a`) VALUES (1)\n", "the dump breaks off"),
        ("CREATE TABLE `cars` (\n  `a` int,\n", "the dump breaks off"),
    ],
)
def test_a_dump_that_cannot_be_read_says_where(dump: str, why: str) -> None:
    with pytest.raises(mysql.NotADump, match=why):
        list(mysql.rows(iter(dump.splitlines(keepends=True)), "cars"))


def test_a_file_or_mapping_that_will_not_do_says_why(empty_var: Path, tmp_path: Path) -> None:
    with pytest.raises(CannotRead, match=r"end in \.csv, \.parquet or \.sql"):
        form_of(Path("cars.xls"))
    latin = tmp_path / "latin.csv"
    latin.write_bytes(b"name\nJos\xe9\n")
    with pytest.raises(CannotRead, match="line 2: it is not UTF-8"):
        list(rows(latin, "csv", ""))
    latin.write_bytes(b"name\rJos\r")
    with pytest.raises(CannotRead, match="line 1: new-line character"):
        list(rows(latin, "csv", ""))
    wrong = {
        "[columns]\nname = 7": r"\[columns\] name must be the name of a column",
        "[values]\nname = 7": r"name must be a section",
        "column = 1": "'column' is not one of columns, defaults",
        '[columns]\ncolour = "color"': r"\[columns\] names 'colour', and users have id, name",
        'timezone = "Mars"': "'Mars' is not an IANA time zone",
        "[columns": "toml",
    }
    for written, why in wrong.items():
        mapping = tmp_path / "mapping.toml"
        mapping.write_text(written)
        with pytest.raises(WrongMapping, match=why):
            read("users", mapping)


@pytest.fixture
def many_events(session: Session, tmp_path: Path) -> tuple[Path, int]:
    """A file of events enough to be killed in the middle of, each of another second."""
    car = listing(session)
    session.commit()
    file, count = tmp_path / "many.csv", 12_000
    begin = datetime.fromisoformat("2026-11-01T00:00:00+00:00")
    with file.open("w") as out:
        out.write("car_listing_id,event_type,created_at\n")
        out.writelines(f"{car.id},view,{(begin + timedelta(seconds=n)).isoformat()}\n" for n in range(count))
    return file, count


def test_kill_9_in_the_middle_loses_and_doubles_nothing(session: Session, many_events: tuple[Path, int]) -> None:
    file, count = many_events
    command = [sys.executable, "-m", "forecourt", "import", "events", str(file), "--yes", "--json"]
    killed = subprocess.Popen(command, env=os.environ.copy(), stdout=subprocess.DEVNULL)
    seen = 0
    while killed.poll() is None and not seen:
        seen = session.scalar(text("SELECT max(read) FROM import_runs")) or 0
        session.rollback()
    killed.kill()
    assert killed.wait(30) == -9, "it was done before it could be killed"
    again = subprocess.run(command, env=os.environ.copy(), capture_output=True, check=True)
    told = json.loads(again.stdout)
    assert seen <= told["resumed"] < count
    assert told["imported"] == count - told["resumed"]
    rows, distinct = session.execute(
        text("SELECT count(*), count(DISTINCT created_at) FROM car_listing_analytics")
    ).one()
    assert (rows, distinct) == (count, count)


KILLED_AT_EACH_CHUNK = """
import os, signal, sys
from itertools import count
from pathlib import Path
from sqlalchemy import Engine, event
from forecourt.marketplace.imports import running
from forecourt.marketplace.imports.mapping import read

running.CHUNK = 5
file = Path(sys.argv[1])
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)

def killed(number):
    commits = count(1)
    # The first commit begins the run, the second ends a chunk, or the run.
    before = lambda _: number % 2 and next(commits) == 2 and die()
    event.listen(Engine, "commit", before)
    running.run(file, "csv", read("listings", None), progress=lambda *_: number % 2 or die())
    os._exit(0)

for number in count(1):
    child = os.fork() or killed(number)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        print(number)
        break
"""


def test_kill_9_before_and_after_each_chunk_of_listings_loses_and_doubles_nothing(
    session: Session, tmp_path: Path
) -> None:
    seller = listing(session).owner_id
    session.commit()
    file = tmp_path / "listings.csv"
    file.write_text("slug,owner_id,title\n" + "".join(f"rio-{n},{seller},Kia\n" for n in range(18)))
    command = [sys.executable, "-c", KILLED_AT_EACH_CHUNK, str(file)]
    done = subprocess.run(command, env=os.environ.copy(), capture_output=True, text=True, check=True)
    assert int(done.stdout) == 10, "killed twice at each of four chunks, and once at the end"
    rows = "SELECT count(*), count(DISTINCT slug) FROM car_listings WHERE slug LIKE 'rio-%'"
    assert tuple(session.execute(text(rows)).one()) == (18, 18)
    assert tuple(session.execute(text("SELECT read, imported, there FROM import_runs")).one()) == (18, 18, 0)


def test_the_command_tries_first_asks_and_names_what_it_refused(session: Session, tmp_path: Path) -> None:
    dump = shutil.copy(EXAMPLES / "marketplace.sql", tmp_path)
    base = [sys.executable, "-m", "forecourt", "import"]

    def typed(*words: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [*base, *words], cwd=tmp_path, env=os.environ.copy(), capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout, done.stderr

    code, out, err = typed("users", dump)
    assert (code, "3 of 3 rows would be imported" in out, "repeat with --yes" in err) == (4, True, True)
    assert session.query(User).count() == 0
    session.rollback()
    assert typed("users", dump, "--yes")[0] == 0
    code, out, err = typed("listings", dump, "--map", str(EXAMPLES / "listings.toml"), "--yes")
    assert (code, "1 of 4 rows imported" in out) == (1, True)
    refused = (tmp_path / "marketplace.sql.errors.csv").read_text().splitlines()
    assert refused[0] == "line,why"
    assert [line.split(",")[0] for line in refused[1:]] == ["73", "74", "76"]
    audited = session.execute(text("SELECT action, count FROM forecourt.audit ORDER BY id")).all()
    assert [tuple(row) for row in audited] == [("import users", 3), ("import listings", 1)]
