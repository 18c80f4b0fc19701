"""Rules without a domain: money, time, ids, limits, errors, collection names. No I/O."""
