"""Tests of the domain `journal`."""
