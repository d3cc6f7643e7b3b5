"""Setups in the manner of RETURNN's published ones, for real data and two cores; `README.md` says what is known of each."""
