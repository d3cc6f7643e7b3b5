"""Training steps a second of dictionaries, next to RETURNN on its TensorFlow."""
