"""Documents of the earlier backend, and how they become ours."""
