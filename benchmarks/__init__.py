"""Benchmarks, each compared with a yardstick of the same run. The service does not import them."""
