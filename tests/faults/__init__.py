"""Tests of the domain `faults`."""
