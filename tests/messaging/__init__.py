"""Tests of the domain `messaging`."""
