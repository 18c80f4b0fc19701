"""Snapshots of a store, and their restoration."""
