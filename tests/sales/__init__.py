"""Tests of the domain `sales`."""
