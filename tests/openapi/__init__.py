"""Tests of the domain `openapi`."""
