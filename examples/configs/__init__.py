"""Setups in the manner of RETURNN's published ones, each of which learns on real data in minutes on two cores."""
