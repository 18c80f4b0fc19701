"""Tests of the database driver: connection, clock, coalesced reads, foreign collections."""
