"""Faults made for real: failpoints, full disks, cut connections, killed processes."""
