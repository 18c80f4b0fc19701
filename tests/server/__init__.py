"""Tests of the domain `server`."""
