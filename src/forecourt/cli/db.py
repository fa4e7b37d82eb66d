"""`forecourt db`: the schema, and the private server."""

import click

from forecourt.cli.console import Commands, say


@click.group(cls=Commands)
def db() -> None:
    """The database."""


@db.command()
def migrate() -> None:
    """Bring the schema to what this code needs, and declare its jobs. Safe to run on every server
    at once.
    """
    from forecourt.app import load
    from forecourt.cli.console import transaction
    from forecourt.cli.errors import Refused
    from forecourt.database import engine
    from forecourt.database.schema import upgrade
    from forecourt.settings import settings

    if settings().pooled:
        raise Refused(
            "a migration holds a lock for longer than a transaction, which a pooler cannot keep. Give it PostgreSQL's own address: "
            "FORECOURT_POOLED=false FORECOURT_DATABASE_URL=postgresql://user:password@host:port/name forecourt db migrate"
        )
    app = load()
    before, after = upgrade(engine(), marketplace=app.has_marketplace)
    with transaction() as tx:
        declared = app.declare(tx)
    words = f"Schema {after}" if before == after else f"Schema {before or 'empty'} → {after}"
    say(f"{words}; {declared} job definitions new or changed.")


@db.command()
def status() -> None:
    """Where the database is, and whether its schema is current."""
    from forecourt.cli.console import database_address, transaction
    from forecourt.database.revision import needed, require_current, version
    from forecourt.settings import settings

    with transaction() as tx:
        server = tx.execute("SHOW server_version").fetchall()[0][0]
        found = version(tx)
    say(database_address())
    if settings().database_url is None:
        say("a private PostgreSQL, which runs while a command of Forecourt does, such as forecourt up")
    say(f"local files in {settings().var}; FORECOURT_VAR names another folder")
    say(f"PostgreSQL {server}, schema {found or 'empty'}, this code needs {needed()}")
    with transaction() as tx:
        require_current(tx)


@db.command()
def stop() -> None:
    """Stop the private server, whoever uses it. A configured database is left alone."""
    from forecourt.cli.errors import Refused
    from forecourt.database.private import PrivateServer
    from forecourt.settings import settings

    if settings().database_url is not None:
        raise Refused("FORECOURT_DATABASE_URL is set: that server is not ours to stop")
    stopped = PrivateServer(settings().var / "postgres").stop()
    say("The private PostgreSQL is stopped." if stopped else "The private PostgreSQL was not running.")
