"""Estimates and orders: commands and lists."""
