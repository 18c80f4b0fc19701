"""What takes long or goes out: paper, in processes of its own, and the doors to other services."""
