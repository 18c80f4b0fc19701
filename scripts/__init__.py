"""Scripts for `make`: they generate pages and pictures of the documentation. The service does not import them."""
