"""Tests of the domain `live`."""
