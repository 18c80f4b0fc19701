"""Shared parts of the tests: stores, clocks, processes, clients, faults."""
