"""Marshmallow fields and schemas for input and output, with their JSON schemas."""
