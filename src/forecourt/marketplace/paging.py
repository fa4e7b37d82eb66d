"""The rows of a large query as they come: this process handles one page while the server goes on
with the next.
"""

from collections.abc import Generator
from contextlib import closing
from itertools import islice
from typing import Any, cast

from psycopg import Connection
from psycopg.sql import SQL


def pages(
    connection: Connection[Any], query: SQL, parameters: dict[str, Any], rows: int
) -> Generator[list[tuple[Any, ...]], None, None]:
    """So many rows at a time, of which only the last page may have fewer. Until the end, or until
    the generator is closed, the connection does nothing else: not even a rollback. So close it
    whatever happens. Closed early it cancels the query, and a savepoint keeps the transaction.
    """
    with connection.transaction(), connection.cursor() as cursor:
        stream = cast("Generator[tuple[Any, ...], None, None]", cursor.stream(query, parameters, size=rows))
        with closing(stream):
            while page := list(islice(stream, rows)):
                yield page
