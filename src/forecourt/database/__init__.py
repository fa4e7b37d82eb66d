"""Connections, sessions, the private server and the migrations.

No statement of the queue or the schedule lives here (those are in `store`), and nothing here knows
a job.
"""

from forecourt.database.address import database_url
from forecourt.database.callers import in_transaction_of
from forecourt.database.engine import each_by_itself, engine, forget_engine, session

__all__ = ["database_url", "each_by_itself", "engine", "forget_engine", "in_transaction_of", "session"]
