"""Tests of the domain `shop`."""
