"""Events of the log, and what identifies a request."""
