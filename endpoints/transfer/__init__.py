"""How a response travels: cached, compressed, limited in number, cut off."""
