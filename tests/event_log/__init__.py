"""Tests of the event log: its stored form, reads by sequence numbers, and what earlier versions stored."""
