"""Import of the earlier backend's database."""
