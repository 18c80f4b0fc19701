"""Tests of the domain `middleware`."""
