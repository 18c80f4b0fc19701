"""Tests of the domain `legacy`."""
