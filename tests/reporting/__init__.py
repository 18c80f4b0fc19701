"""Tests of the domain `reporting`."""
