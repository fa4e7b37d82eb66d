"""A parcel service: an asynchronous API whose calls are dispatched in the transaction of the
request.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from forecourt import Forecourt, Session, Timetable, job
from forecourt.database import database_url

PARCELS = """
CREATE TABLE IF NOT EXISTS parcels (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    address text NOT NULL,
    route text,
    made_at timestamptz NOT NULL DEFAULT now()
)
"""


@job(tries=5, backoff=[1, 10, 60], concurrency=50, timeout=30)
async def plan_route(session: AsyncSession, parcel_id: int) -> None:
    """Up to fifty at once on one event loop of the worker, each in a transaction of its own,
    exactly once.
    """
    await session.execute(text("UPDATE parcels SET route = 'north of ' || address WHERE id = :id"), {"id": parcel_id})


@job
def forget_old_parcels(session: Session) -> None:
    session.execute(text("DELETE FROM parcels WHERE made_at < now() - interval '1 year'"))


timetable = Timetable("UTC")
timetable.add(forget_old_parcels).daily_at("03:00")
app = Forecourt(timetable)
"""What FORECOURT_APP names. The API is `web`."""


@asynccontextmanager
async def lifespan(web: FastAPI) -> AsyncIterator[None]:
    """One engine for the life of the server. Workers are processes of their own: nothing of them
    starts here.
    """
    engine = create_async_engine(database_url())
    async with engine.begin() as connection:
        await connection.execute(text(PARCELS))
    web.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
    yield
    await engine.dispose()


web = FastAPI(title="Parcels", lifespan=lifespan)


async def session() -> AsyncIterator[AsyncSession]:
    """The transaction of a request: committed when it went well."""
    async with web.state.sessions.begin() as opened:
        yield opened


InTransaction = Annotated[AsyncSession, Depends(session, scope="function")]
"""`scope="function"`: committed before the answer is sent, so whoever reads the answer finds the
parcel.
"""


@web.post("/parcels", status_code=201)
async def send(address: str, session: InTransaction) -> dict[str, int]:
    id = await session.scalar(
        text("INSERT INTO parcels (address) VALUES (:address) RETURNING id"), {"address": address}
    )
    call = await plan_route.using(session=session).adispatch(parcel_id=id)
    return {"parcel": id, "call": call.id}


@web.get("/parcels/{id}")
async def show(id: int, session: InTransaction) -> dict[str, str | None]:
    found = await session.execute(text("SELECT address, route FROM parcels WHERE id = :id"), {"id": id})
    if (row := found.one_or_none()) is None:
        raise HTTPException(404, f"There is no parcel {id}")
    return {"address": row.address, "route": row.route}
