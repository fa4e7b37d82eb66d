"""The clinic's own tables. `python -m clinic.models` makes them; a real project would use
Alembic.
"""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import DateTime, ForeignKey, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from forecourt.database import engine


class Base(DeclarativeBase):
    type_annotation_map: ClassVar = {datetime: DateTime(timezone=True)}


class Patient(Base):
    __tablename__ = "patients"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    visits: Mapped[int] = mapped_column(server_default="0")


class Appointment(Base):
    __tablename__ = "appointments"

    id: Mapped[int] = mapped_column(primary_key=True)
    patient_id: Mapped[int] = mapped_column(ForeignKey("patients.id"))
    begins_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(server_default="booked")
    reminded_at: Mapped[datetime | None]
    made_at: Mapped[datetime] = mapped_column(server_default=func.now())


if __name__ == "__main__":
    Base.metadata.create_all(engine())
