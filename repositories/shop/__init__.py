"""The settings of a store, and the stores there are."""
