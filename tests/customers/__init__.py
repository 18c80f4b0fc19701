"""Tests of the domain `customers`."""
