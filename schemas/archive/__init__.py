"""The format of backups and exports."""
