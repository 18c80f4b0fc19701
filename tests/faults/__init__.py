"""Faults of clients, servers and the database, and tests of the tools that inject and judge them."""
