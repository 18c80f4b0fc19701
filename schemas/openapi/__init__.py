"""Shared parts of the API description: JSON schemas of fields, components, examples."""
