"""Says that what is due on every server waits on this host: only its own workers serve the queue of
such tasks.
"""

import logging
from collections.abc import Sequence

from sqlalchemy import Engine

from forecourt.database import in_transaction_of
from forecourt.process import own_queue
from forecourt.store import workers

log = logging.getLogger("forecourt.clock")


def warn_of_unserved(engine: Engine, host: str, tasks: Sequence[str]) -> bool:
    """Warn if no worker serves the host's own queue, to which these tasks' calls went. Returns
    whether it did.
    """
    queue = own_queue(host)
    with engine.begin() as connection:
        if workers.serve(in_transaction_of(connection), queue):
            return False
    log.warning(
        "nobody serves the queue %s, so what is due on every server waits: start a worker on this host, or set "
        "FORECOURT_HOST to the same name for clock and worker",
        queue,
        extra={"tasks": tasks},
    )
    return True
