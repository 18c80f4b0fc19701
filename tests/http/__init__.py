"""Tests of the domain `http`."""
