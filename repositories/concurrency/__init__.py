"""Backoff, threads and supervised tasks."""
