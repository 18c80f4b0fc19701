"""Real faults: failpoints, full disks, broken connections, killed processes."""
