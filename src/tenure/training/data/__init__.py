"""Data sets: sequences of named streams, in the orders and with the numbers of RETURNN."""
