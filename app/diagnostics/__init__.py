"""The checks of `pos doctor`."""
