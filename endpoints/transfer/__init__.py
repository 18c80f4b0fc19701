"""Transfer of responses: caching, compression, streaming, concurrency limits."""
