"""TensorFlow's names, as far as layer dictionaries use them, on JAX arrays: `tf.nn.relu`, `tf.math.rsqrt`, `tf.shape`, …

What is known before a program runs stays known: sizes are numpy integers, and functions of numpy values give numpy values,
so that `tf.zeros(tf.shape(x))` works under `jax.jit`.
"""

from tenure.network.tf.names import ACTIVATIONS, Namespace, activation, tf, unknown_name

__all__ = ["ACTIVATIONS", "Namespace", "activation", "tf", "unknown_name"]
