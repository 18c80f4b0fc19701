"""Rollups, reports, and hourly figures."""
