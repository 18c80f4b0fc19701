"""PDFs, rendered by worker processes."""
