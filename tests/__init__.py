"""Tests with a real mongod, real HTTP and real WebSockets, in the same domains as the code."""
