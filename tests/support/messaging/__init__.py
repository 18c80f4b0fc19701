"""Providers of messages, in memory and on loopback."""
