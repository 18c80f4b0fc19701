"""The database driver: connection, errors, raw documents, time."""
