"""Promises of the marketplace's schema: the models are what the migration makes, and the migration
can be undone.
"""

from alembic import command
from sqlalchemy import inspect, text
from sqlalchemy.orm import Session

from forecourt.database import engine, revision, schema
from forecourt.marketplace.models import Base


def test_every_mapped_column_is_in_the_database_with_the_same_type_and_nullability(session: Session) -> None:
    database = inspect(session.connection())
    for table in Base.metadata.sorted_tables:
        found = {
            column["name"]: (str(column["type"]), column["nullable"]) for column in database.get_columns(table.name)
        }
        mapped = {
            column.name: (str(column.type.compile(session.get_bind().dialect)), column.nullable)
            for column in table.columns
        }
        assert {name: (kind.split("(")[0].split(" ")[0], null) for name, (kind, null) in mapped.items()} == {
            name: (kind.split("(")[0].split(" ")[0], null) for name, (kind, null) in found.items()
        }


def test_the_marketplace_can_be_taken_down_and_made_again(session: Session) -> None:
    config = schema._config()
    with engine().connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
        connection.commit()
        assert inspect(connection).get_table_names("public") == []
        functions = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        assert connection.scalar(text(functions)) == 0
        connection.rollback()
    assert schema.upgrade(engine()) == ("0001", revision.needed())
