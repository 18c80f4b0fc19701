"""Files of backups, exports and earlier PDFs."""
