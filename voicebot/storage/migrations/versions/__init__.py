"""One file for each version of the schema. Alembic loads them; no code imports them."""
