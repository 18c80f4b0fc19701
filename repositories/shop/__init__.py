"""The settings of a store, and the list of stores."""
