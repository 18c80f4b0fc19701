"""How work runs beside other work: backoff, deadlines, coalescing, threads, supervised tasks."""
