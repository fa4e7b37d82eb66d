"""Slots claim for themselves, and a call needs no second name."""

from forecourt.database.schema import run

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

UP = """
-- Which slot of its worker holds a call. Workers of the release before leave it open.
ALTER TABLE forecourt.running ADD COLUMN slot smallint;

-- A call is named by its id everywhere. A random uuid for each cost a tenth of entering many. The columns stay for workers of
-- the release before, which copy what is in them from table to table.
ALTER TABLE forecourt.ready ALTER COLUMN uuid DROP NOT NULL, ALTER COLUMN uuid DROP DEFAULT;
ALTER TABLE forecourt.scheduled ALTER COLUMN uuid DROP NOT NULL, ALTER COLUMN uuid DROP DEFAULT;
ALTER TABLE forecourt.running ALTER COLUMN uuid DROP NOT NULL, ALTER COLUMN uuid DROP DEFAULT;
ALTER TABLE forecourt.done ALTER COLUMN uuid DROP NOT NULL;
ALTER TABLE forecourt.failed ALTER COLUMN uuid DROP NOT NULL, ALTER COLUMN uuid DROP DEFAULT;

-- What is kept of the arguments of a finished call that had many: those that are short, and how long the others were.
CREATE FUNCTION forecourt.short_of(args jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT jsonb_object_agg(key, CASE
           WHEN octet_length(value::text) <= 1024 THEN value
           ELSE to_jsonb('(' || octet_length(value::text) || ' bytes, not kept)')
       END)
FROM jsonb_each(args)
$$;
"""

DOWN = """
DROP FUNCTION forecourt.short_of;
UPDATE forecourt.ready SET uuid = gen_random_uuid() WHERE uuid IS NULL;
UPDATE forecourt.scheduled SET uuid = gen_random_uuid() WHERE uuid IS NULL;
UPDATE forecourt.running SET uuid = gen_random_uuid() WHERE uuid IS NULL;
UPDATE forecourt.done SET uuid = gen_random_uuid() WHERE uuid IS NULL;
UPDATE forecourt.failed SET uuid = gen_random_uuid() WHERE uuid IS NULL;
ALTER TABLE forecourt.ready ALTER COLUMN uuid SET NOT NULL, ALTER COLUMN uuid SET DEFAULT gen_random_uuid();
ALTER TABLE forecourt.scheduled ALTER COLUMN uuid SET NOT NULL, ALTER COLUMN uuid SET DEFAULT gen_random_uuid();
ALTER TABLE forecourt.running ALTER COLUMN uuid SET NOT NULL, ALTER COLUMN uuid SET DEFAULT gen_random_uuid();
ALTER TABLE forecourt.done ALTER COLUMN uuid SET NOT NULL;
ALTER TABLE forecourt.failed ALTER COLUMN uuid SET NOT NULL, ALTER COLUMN uuid SET DEFAULT gen_random_uuid();
ALTER TABLE forecourt.running DROP COLUMN slot;
"""


def upgrade() -> None:
    run(UP)


def downgrade() -> None:
    run(DOWN)
