"""What is asked of all workers has the name that the code has for it.

Workers of the release before go on under the old one, which is a view until the next.
"""

from forecourt.database.schema import run

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE forecourt.wishes RENAME TO control_requests;
ALTER INDEX forecourt.wishes_pkey RENAME TO control_requests_pkey;
CREATE VIEW forecourt.wishes AS
SELECT name, at
FROM forecourt.control_requests;
"""

DOWN = """
DROP VIEW forecourt.wishes;
ALTER INDEX forecourt.control_requests_pkey RENAME TO wishes_pkey;
ALTER TABLE forecourt.control_requests RENAME TO wishes;
"""


def upgrade() -> None:
    run(UP)


def downgrade() -> None:
    run(DOWN)
