"""Tests of retries, threads and shared work."""
