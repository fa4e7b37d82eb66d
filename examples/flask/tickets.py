"""A help desk: a Flask application whose calls are dispatched in the transaction of the request."""

from flask import Flask, g, request
from sqlalchemy import text

from forecourt import Forecourt, Session, Timetable, job
from forecourt.database import engine

TICKETS = """
CREATE TABLE IF NOT EXISTS tickets (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject text NOT NULL,
    urgent boolean,
    made_at timestamptz NOT NULL DEFAULT now()
)
"""


@job(tries=3, backoff=10)
def triage(session: Session, ticket_id: int) -> None:
    """The effect and the end of the call are one commit."""
    session.execute(text("UPDATE tickets SET urgent = subject ILIKE '%fire%' WHERE id = :id"), {"id": ticket_id})


@job
def close_old_tickets(session: Session) -> None:
    session.execute(text("DELETE FROM tickets WHERE made_at < now() - interval '90 days'"))


timetable = Timetable("UTC")
timetable.add(close_old_tickets).daily_at("02:30")
app = Forecourt(timetable)
"""What FORECOURT_APP names. `create_app` makes Flask's."""


def create_app() -> Flask:
    web = Flask(__name__)
    with Session(engine()) as session, session.begin():
        session.execute(text(TICKETS))

    @web.before_request
    def open_session() -> None:
        g.session = Session(engine())

    @web.teardown_request
    def close_session(error: BaseException | None) -> None:
        g.session.close()  # what was not committed is rolled back, calls included

    @web.post("/tickets")
    def open_ticket() -> tuple[dict[str, int], int]:
        id = g.session.scalar(
            text("INSERT INTO tickets (subject) VALUES (:subject) RETURNING id"), {"subject": request.form["subject"]}
        )
        triage.using(session=g.session).dispatch(ticket_id=id)
        g.session.commit()  # the ticket and its call, or neither
        return {"ticket": id}, 201

    @web.get("/tickets/<int:id>")
    def show(id: int) -> tuple[dict[str, object], int]:
        row = g.session.execute(text("SELECT subject, urgent FROM tickets WHERE id = :id"), {"id": id}).one_or_none()
        return (dict(row._mapping), 200) if row else ({"error": f"There is no ticket {id}"}, 404)

    return web
