"""Tests of the domain `documentation`."""
