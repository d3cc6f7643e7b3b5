"""What Tenure costs, next to hand-written JAX and the other libraries of its kind."""
