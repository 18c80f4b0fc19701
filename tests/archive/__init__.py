"""Tests of the domain `archive`."""
