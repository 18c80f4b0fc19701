"""Message providers in memory and on loopback."""
