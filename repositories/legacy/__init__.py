"""Taking over the database of the earlier backend."""
