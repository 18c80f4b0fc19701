"""Shapes and rules: marshmallow schemas and pure functions. No I/O."""
