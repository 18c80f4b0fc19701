"""The content of a PDF: figures, amounts in words, scripts, letterhead."""
