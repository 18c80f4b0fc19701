"""Tests of documentation."""
