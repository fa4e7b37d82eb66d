"""The heartbeat: a task that does nothing but happen. Its latest success proves that clock, queue
and workers are alive.
"""

from datetime import UTC, datetime

from forecourt import job


@job(queue="high", priority=-100, tries=1, timeout=30)
def heartbeat() -> dict[str, str]:
    """Happen. The health check reads when it last did."""
    return {"beat_at": datetime.now(UTC).isoformat(timespec="seconds")}
