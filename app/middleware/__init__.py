"""Middleware of every request: errors, deadlines, limits, headers."""
