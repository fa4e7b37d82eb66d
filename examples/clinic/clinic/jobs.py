"""What the clinic does by itself. Each job takes the session that the worker hands it: its effects
are exactly once.
"""

from sqlalchemy import text

from forecourt import Session, job


@job(queue="soon", tries=5, backoff=[10, 60, 600])
def remind(session: Session, appointment_id: int) -> dict[str, int]:
    """One reminder an appointment, however often it is dispatched."""
    done = session.execute(
        text(
            """
            UPDATE appointments
            SET reminded_at = now()
            WHERE id = :id
              AND state = 'booked'
              AND reminded_at IS NULL
            """
        ),
        {"id": appointment_id},
    )
    return {"reminded": done.rowcount}


@job(queue="soon")
def remind_of_tomorrow(session: Session) -> dict[str, int]:
    """A call for each appointment of the next day, dispatched in the transaction of this one: all
    of them, or none.
    """
    due = session.scalars(
        text(
            """
            SELECT id
            FROM appointments
            WHERE state = 'booked'
              AND reminded_at IS NULL
              AND begins_at BETWEEN now() AND now() + interval '1 day'
            ORDER BY id
            """
        )
    ).all()
    remind.using(session=session).dispatch_many([{"appointment_id": id} for id in due])
    return {"to_remind": len(due)}


@job(queue="later", timeout=120)
def close_the_day(session: Session) -> dict[str, int]:
    """What is over counts as a visit."""
    over = session.execute(
        text(
            """
            WITH over AS (
                UPDATE appointments
                SET state = 'done'
                WHERE state = 'booked'
                  AND begins_at < now()
                RETURNING patient_id
            )
            UPDATE patients
            SET visits = visits + seen.times
            FROM (SELECT patient_id, count(*) AS times FROM over GROUP BY patient_id) AS seen
            WHERE patients.id = seen.patient_id
            """
        )
    )
    return {"patients": over.rowcount}
