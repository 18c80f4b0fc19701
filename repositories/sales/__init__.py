"""Estimates and orders, and the commands that change them."""
