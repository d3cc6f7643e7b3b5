"""Optimizers as configs ask for them: RETURNN's numbers, as optax transformations."""
