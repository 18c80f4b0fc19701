"""The sheet of a PDF: figures, amounts in words, scripts, letterhead."""
