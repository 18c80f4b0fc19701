"""Text as people write it: folding for comparison, phone numbers, search terms, addresses without secrets."""
