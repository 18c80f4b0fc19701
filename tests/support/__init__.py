"""What the tests share: a shop, clocks, processes, clients, faults."""
