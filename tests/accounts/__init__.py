"""Tests of the domain `accounts`."""
