"""One script a step, each with the one before it."""
