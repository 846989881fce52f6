"""Sessions.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "sessions",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("participant", sa.String, nullable=False, index=True),
        sa.Column("file", sa.String, nullable=False),
        sa.Column("sources", sa.String, nullable=False),
        sa.Column("device", sa.String),
        sa.Column("origin", sa.String),
        sa.Column("model", sa.String),
        sa.Column("state", sa.String, nullable=False, index=True),
        sa.Column("problem", sa.String),
        sa.Column("started_unix_s", sa.Float, nullable=False, index=True),
        sa.Column("length_s", sa.Float, nullable=False),
        sa.Column("scores", sa.Integer, nullable=False),
        sa.Column("valid_scores", sa.Integer, nullable=False),
        sa.Column("samples", sa.Integer, nullable=False),
        sa.Column("lost_samples", sa.Integer, nullable=False),
        sa.Column("bytes", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("sessions")
