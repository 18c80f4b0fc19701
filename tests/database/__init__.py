"""Tests of the domain `database`."""
