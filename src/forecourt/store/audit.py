"""Who did what: every action of an operator that changes something leaves a row."""

import json
from datetime import datetime
from typing import Any

from psycopg import Connection

RECORD = """
INSERT INTO forecourt.audit (who, action, target, count)
VALUES (%(who)s, %(action)s, %(target)s::jsonb, %(count)s)
"""


def record(tx: Connection[Any], who: str, action: str, target: dict[str, Any], count: int | None = None) -> None:
    """Note an action in the transaction that performs it."""
    text = json.dumps(target, default=_plain, ensure_ascii=False)  # which knows integers of any size
    tx.execute(RECORD, {"who": who, "action": action, "target": text, "count": count})


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
