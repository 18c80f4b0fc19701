"""One process of the service commits for all the others on its machine."""
