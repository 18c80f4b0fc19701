"""Documents of the earlier backend, and their conversion."""
