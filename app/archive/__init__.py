"""Files of backups and exports, and PDF files of the earlier backend."""
