"""A person's own head: measured on blocks of cross and task, certified or not."""
