"""The schema's history: Alembic's environment, and one file a step under `versions`."""
