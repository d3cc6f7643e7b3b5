"""How the core runs a program as Haiku would: its keys, its state, its treatment of equal paths."""
