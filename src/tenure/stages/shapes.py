"""Weights that are held to a form: symmetric, triangular, orthogonal, positive. Only the free elements are stored."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core.notation.stage import Irreversible, Misfit, Run, Spec, Stage, define, flag
from tenure.stages._common import check_close, floating, one_of


def _square(spec: Spec) -> int:
    floating(spec, 2)
    if len(spec.shape) != 2 or spec.shape[0] != spec.shape[1]:
        raise Misfit(f"it needs a square matrix, not {spec.shape}")
    return spec.shape[0]


@define
class Symmetric(Stage):
    """A symmetric matrix (n, n), of which the n (n + 1) / 2 elements on and below the diagonal are stored.

    At first it is the symmetric part of what the initialiser made.

    >>> import jax.numpy as jnp, tenure as tn
    >>> model = tn.transform(lambda: tn.get_parameter("w", (2, 2), init=jnp.zeros, stages=["symmetric"]))
    >>> model.apply({"~": {"w": jnp.array([1.0, 2.0, 3.0])}}, None)
    Array([[1., 2.],
           [2., 3.]], dtype=float32)
    """

    name = "symmetric"

    def stored(self, spec: Spec):
        n = _square(spec)
        return Spec((n * (n + 1) // 2,), spec.dtype)

    def forward(self, value, parts, run: Run):
        rows, columns = np.tril_indices(run.spec.shape[0])
        lower = jnp.zeros(run.spec.shape, value.dtype).at[rows, columns].set(value)
        return lower + jnp.tril(lower, -1).T

    def begin(self, value, draw):
        return ((value + value.T) / 2)[np.tril_indices(value.shape[0])], {}

    def assign(self, value, parts):
        check_close(value, (value + value.T) / 2, "it is not symmetric")
        return self.begin(value, lambda _: None)


@define
class Triangular(Stage):
    """A triangular matrix (n, n), of which the n (n + 1) / 2 elements that are not always zero are stored.

    >>> import jax.numpy as jnp, tenure as tn
    >>> model = tn.transform(lambda: tn.get_parameter("w", (2, 2), init=jnp.zeros, stages=["triangular"]))
    >>> model.apply({"~": {"w": jnp.array([1.0, 2.0, 3.0])}}, None)
    Array([[1., 0.],
           [2., 3.]], dtype=float32)
    """

    name = "triangular"
    signature = {"upper": flag}
    defaults = {"upper": False}

    def stored(self, spec: Spec):
        n = _square(spec)
        return Spec((n * (n + 1) // 2,), spec.dtype)

    def _places(self, n: int) -> tuple[np.ndarray, ...]:
        return (np.triu_indices if self.arguments["upper"] else np.tril_indices)(n)

    def forward(self, value, parts, run: Run):
        return jnp.zeros(run.spec.shape, value.dtype).at[self._places(run.spec.shape[0])].set(value)

    def begin(self, value, draw):
        return value[self._places(value.shape[0])], {}

    def assign(self, value, parts):
        check_close(value, jnp.triu(value) if self.arguments["upper"] else jnp.tril(value), "it is not triangular")
        return self.begin(value, lambda _: None)


@define
class Positive(Stage):
    """Positive elements: `exp` or `softplus` of what is stored. At first the magnitude of what the initialiser made.

    >>> import jax.numpy as jnp, tenure as tn
    >>> model = tn.transform(lambda: tn.get_parameter("w", (2,), init=jnp.ones, stages=["positive"]))
    >>> model.init(None)["~"]["w"], model.apply(model.init(None), None)
    (Array([0., 0.], dtype=float32), Array([1., 1.], dtype=float32))
    """

    name = "positive"
    signature = {"by": one_of("exp", "softplus")}
    defaults = {"by": "exp"}

    def forward(self, value, parts, run: Run):
        return jnp.exp(value) if self.arguments["by"] == "exp" else jax.nn.softplus(value)

    def stored(self, spec: Spec):
        floating(spec)
        return spec

    def begin(self, value, draw):
        value = jnp.maximum(jnp.abs(value), jnp.finfo(value.dtype).eps)
        if self.arguments["by"] == "exp":
            return jnp.log(value), {}
        return value + jnp.log(-jnp.expm1(-value)), {}

    def assign(self, value, parts):
        if not isinstance(value, jax.core.Tracer) and not bool(jnp.all(value > 0)):
            raise Irreversible(f"its smallest element is {float(jnp.min(value)):.3g}, which is not positive")
        return self.begin(value, lambda _: None)


@define
class Orthogonal(Stage):
    """A matrix (m, n) with orthonormal columns; with orthonormal rows, where it has more columns than rows.

    At first it is the orthogonal matrix nearest to what the initialiser made.

    Args:
      by: "householder": a product of reflections, of which the vectors are stored, (m, n); every such matrix can be reached. "expm":
        the first columns of the matrix exponential of a skew-symmetric matrix, of which the elements below the diagonal
        are stored; a square one is always a rotation (determinant 1).

    Source: Mhammedi et al., "Efficient Orthogonal Parametrisation of Recurrent Neural Networks Using Householder Reflections",
    2017; Lezcano-Casado and Martínez-Rubio, "Cheap Orthogonal Constraints in Neural Networks", 2019.

    >>> import jax, jax.numpy as jnp, tenure as tn
    >>> init = tn.initializers.RandomNormal()
    >>> model = tn.transform(lambda: tn.get_parameter("w", (3, 3), init=init, stages=[tn.stages.Orthogonal()]))
    >>> w = model.apply(model.init(jax.random.key(0)), None)
    >>> bool(jnp.allclose(w.T @ w, jnp.eye(3), atol=1e-5))
    True
    """

    name = "orthogonal"
    signature = {"by": one_of("householder", "expm")}
    defaults = {"by": "householder"}

    def stored(self, spec: Spec):
        floating(spec, 2)
        if len(spec.shape) != 2:
            raise Misfit(f"it needs a matrix, not {spec.shape}")
        n = max(spec.shape)
        if self.arguments["by"] == "expm":
            return Spec((n * (n - 1) // 2,), spec.dtype)
        return Spec((n, min(spec.shape)), spec.dtype)

    def forward(self, value, parts, run: Run):
        m, n = run.spec.shape
        tall = (
            _reflected(value) if self.arguments["by"] == "householder" else _rotation(value, max(m, n))[:, : min(m, n)]
        )
        return tall if m >= n else tall.T

    def begin(self, value, draw):
        tall = value if value.shape[0] >= value.shape[1] else value.T
        u, _, v = jnp.linalg.svd(tall, full_matrices=False)
        return self._stored(u @ v, flip=True), {}

    def assign(self, value, parts):
        tall = value if value.shape[0] >= value.shape[1] else value.T
        check_close(jnp.eye(tall.shape[1], dtype=tall.dtype), tall.T @ tall, "its columns are not orthonormal")
        kept = self._stored(tall, flip=False)
        run = Run(False, False, lambda: jnp.zeros(()), Spec(value.shape, value.dtype))
        check_close(value, self.forward(kept, {}, run), "it is not a rotation that 'expm' can reach")
        return kept, {}

    def _stored(self, tall: jax.Array, flip: bool) -> jax.Array:
        if self.arguments["by"] == "householder":
            return _reflections(tall)
        m, n = tall.shape
        whole = jnp.concatenate([tall, _complement(tall)], 1) if n < m else tall
        if n < m or flip:  # a free column makes it a rotation
            sign = jnp.where(jnp.linalg.det(whole) < 0, -1, 1).astype(tall.dtype)
            whole = whole.at[:, -1].multiply(sign)
        return _skew_logarithm(whole)[np.tril_indices(m, -1)]


def _complement(tall: jax.Array) -> jax.Array:
    """Orthonormal columns that make a square matrix of it."""
    return jnp.linalg.qr(tall, mode="complete")[0][:, tall.shape[1] :]


def _rotation(stored: jax.Array, n: int) -> jax.Array:
    lower = jnp.zeros((n, n), stored.dtype).at[np.tril_indices(n, -1)].set(stored)
    return jax.scipy.linalg.expm(lower - lower.T, max_squarings=32)


_ROOTS = 3  # angles of at most π/8: few enough that rounding errors do not grow, small enough for the series


def _skew_logarithm(rotation: jax.Array) -> jax.Array:
    """The skew-symmetric logarithm: of a root near the identity by its series, times the root's order."""
    n = rotation.shape[0]
    eye = jnp.eye(n, dtype=rotation.dtype)
    for _ in range(_ROOTS):  # the root of a rotation q halves all angles: the orthogonal matrix nearest to 1 + q
        u, _, v = jnp.linalg.svd(eye + rotation)
        rotation = u @ v
    c = jnp.linalg.solve(eye + rotation, rotation - eye)
    square, series = c @ c, jnp.zeros_like(c)
    for k in reversed(range(7)):  # the inverse hyperbolic tangent, by Horner's rule
        series = eye / (2 * k + 1) + square @ series
    series = 2 * c @ series
    return 2**_ROOTS * (series - series.T) / 2


def _reflected(vectors: jax.Array) -> jax.Array:
    """The first columns of H₁ H₂ … Hₙ, Hₖ = 1 - 2 v vᵀ / |v|², with v zero above element k."""
    m, n = vectors.shape
    vectors = jnp.tril(vectors)

    def step(columns: jax.Array, v: jax.Array) -> tuple[jax.Array, None]:
        square = v @ v
        tau = jnp.where(square > 0, 2 / jnp.where(square > 0, square, 1), 0)
        return columns - tau * jnp.outer(v, v @ columns), None

    return jax.lax.scan(step, jnp.eye(m, n, dtype=vectors.dtype), vectors.T, reverse=True)[0]


def _reflections(tall: jax.Array) -> jax.Array:
    """The vectors of the reflections whose product has these orthonormal columns."""
    m, n = tall.shape

    def step(k: jax.Array, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        rest, vectors = carry
        x = jnp.where(jnp.arange(m) >= k, rest[:, k], 0)
        v = x.at[k].add(-jnp.sqrt(x @ x))  # reflects x to the positive axis
        square = v @ v
        small = square < 1e-12 * jnp.maximum(x @ x, 1e-30)
        v = jnp.where(small, 0, v)
        tau = jnp.where(small, 0, 2 / jnp.where(small, 1, square))
        return rest - tau * jnp.outer(v, v @ rest), vectors.at[:, k].set(v)

    return jax.lax.fori_loop(0, n, step, (tall, jnp.zeros_like(tall)))[1]


__all__ = ["Orthogonal", "Positive", "Symmetric", "Triangular"]
