"""What `pos` can do, a file a subject; `app/cli.py` puts them together."""
