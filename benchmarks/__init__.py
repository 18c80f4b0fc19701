"""Measurements, each beside a yardstick of the same run. Not imported by the service."""
