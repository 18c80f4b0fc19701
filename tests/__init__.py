"""Tests: against a real mongod, over real HTTP and real WebSockets. They mirror the modules that they test."""
