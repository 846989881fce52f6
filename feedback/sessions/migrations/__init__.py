"""Alembic's scripts: how the sessions' database came to be as it is."""
