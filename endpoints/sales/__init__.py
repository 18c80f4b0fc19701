"""Estimates and orders."""
