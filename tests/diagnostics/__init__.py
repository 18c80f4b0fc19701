"""Tests of the domain `diagnostics`."""
