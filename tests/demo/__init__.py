"""Tests of the domain `demo`."""
