"""Composition of messages, and their delivery through providers."""
