"""Requests and responses: reading, validation, errors, lists, operations."""
