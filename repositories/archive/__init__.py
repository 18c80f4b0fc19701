"""Snapshots of a store, and their restore."""
