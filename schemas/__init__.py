"""Shapes and rules: marshmallow schemas, and the pure functions that they rest on. No I/O on this floor."""
