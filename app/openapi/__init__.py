"""The API description, and what is made of it."""
