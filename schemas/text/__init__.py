"""Text rules: folding for comparison, phone numbers, search terms, addresses without secrets."""
