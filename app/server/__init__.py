"""uvicorn's protocols and options, and what one process may take."""
