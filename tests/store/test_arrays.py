"""Lists arrive in a statement as they were."""

from forecourt.database.connecting import connect
from forecourt.store.arrays import bigints, floats, texts


def test_a_list_arrives_as_it_was(database: str) -> None:
    names = ["high", 'so "quoted"', "back\\slash", "{a} b", "NULL", "", "وقت"]
    with connect() as connection:
        assert connection.execute("SELECT %s::text[]", (texts(names),)).fetchall() == [(names,)]
        assert connection.execute("SELECT %s::bigint[]", (bigints([-1, 2**40]),)).fetchall() == [([-1, 2**40],)]
        assert connection.execute("SELECT %s::float8[]", (floats([0, 0.25]),)).fetchall() == [([0.0, 0.25],)]
        assert connection.execute("SELECT %s::text[]", (texts([]),)).fetchall() == [([],)]
