"""Who did what: every action of an operator that changes something leaves a row."""

from typing import Any

import orjson
from psycopg import Connection

RECORD = """
INSERT INTO forecourt.audit (who, action, target, count)
VALUES (%(who)s, %(action)s, %(target)s::jsonb, %(count)s)
"""


def record(tx: Connection[Any], who: str, action: str, target: dict[str, Any], count: int | None = None) -> None:
    """Note an action in the transaction that performs it."""
    tx.execute(
        RECORD, {"who": who, "action": action, "target": orjson.dumps(target, default=str).decode(), "count": count}
    )
