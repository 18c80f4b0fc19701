"""Rollups, periods, reports and the figures of the board."""
