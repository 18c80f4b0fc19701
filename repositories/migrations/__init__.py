"""Indexes, backfills, and what earlier rules left to rebuild."""
