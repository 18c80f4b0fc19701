"""Rollups, periods, reports and the board's figures."""
