"""The hands of the database's clock, for tests to turn: in new connections to the test's database
`now()` says what they show.
"""

from datetime import datetime

from fleet import Looking
from forecourt.database import forget_engine


class Hands:
    """Stands still until it is turned."""

    def __init__(self, looking: Looking, at: datetime) -> None:
        self._connection = looking.connection
        self._connection.execute("CREATE TABLE public.hands (at timestamptz)")
        self._connection.execute("INSERT INTO public.hands VALUES (%s)", [at])
        self._connection.execute(
            "CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT at FROM public.hands'"
        )
        name = looking.one("SELECT quote_ident(current_database())")
        self._connection.execute(f"ALTER DATABASE {name} SET search_path = public, pg_catalog".encode())
        forget_engine()

    def turn(self, at: datetime) -> None:
        """Let it be `at`."""
        self._connection.execute("UPDATE public.hands SET at = %s", [at])
