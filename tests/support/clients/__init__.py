"""Clients with special behaviour: hostile, slow, numerous, not reading."""
