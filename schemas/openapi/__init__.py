"""What the API description shares: JSON schemas of fields, components, examples."""
