"""What has no domain of its own: money, time, ids, limits, errors, names of collections. No I/O."""
