"""Tests of the domain `printing`."""
