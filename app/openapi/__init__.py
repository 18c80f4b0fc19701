"""The OpenAPI document and the files that are generated from it."""
