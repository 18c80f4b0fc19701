"""The earlier backend and its documents."""
