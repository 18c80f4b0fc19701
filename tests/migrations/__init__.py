"""Tests of the domain `migrations`."""
