"""Tests of the domain `auditing`."""
