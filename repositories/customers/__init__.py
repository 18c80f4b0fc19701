"""Customers and the commands that change them."""
