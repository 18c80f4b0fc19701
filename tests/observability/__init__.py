"""Tests of the domain `observability`."""
