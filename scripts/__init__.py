"""What is run by hand, or by `make`: it draws and writes pages from the code. Never imported by the house."""
