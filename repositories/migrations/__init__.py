"""Indexes, and backfills of documents from earlier versions."""
