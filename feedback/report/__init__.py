"""A session or a scored recording as one page that a person can look through."""
