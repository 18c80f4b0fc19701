"""One journal for all processes of a machine: a leader commits for its followers, over a local socket."""
