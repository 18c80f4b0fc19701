"""Rollup rows, reports, hourly figures."""
