"""Clients that behave in ways of their own: hostile, slow, many, not reading."""
