"""Who did what, on disk, and who judges it: see `tills.py` and `judge.py`."""
