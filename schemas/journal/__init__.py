"""Events of the log, and the identification of repeated requests."""
