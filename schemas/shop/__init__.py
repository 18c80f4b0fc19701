"""The settings of a store, and what they contain."""
