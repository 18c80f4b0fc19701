"""The commands of `pos`, one file per subject; `app/cli.py` registers them."""
