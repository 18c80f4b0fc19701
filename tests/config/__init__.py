"""Tests of the domain `config`."""
