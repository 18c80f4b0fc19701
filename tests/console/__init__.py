"""Tests of the domain `console`."""
