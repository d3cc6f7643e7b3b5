"""Random keys by path: adding a layer, a borrower or a reordering changes no other layer's samples."""

from __future__ import annotations

import jax

from tenure.core.errors import CachedTransformError, Party
from tenure.core.keys import drawing, missing_key
from tenure.core.run.frame import current_frame
from tenure.core.sites import call_site


def next_rng_key() -> jax.Array:
    """A new random key.

    Inside an initialiser it depends on the owner's path. Elsewhere it depends on the key given to `apply`, the path of
    the module that asks, how many keys that module drew before, and the steps and lanes of the loops around it.

    Raises:
      MissingRNGError: no key was given to `apply`.
      CachedTransformError: inside of a raw `jax.lax.scan`, `jax.jit` or the like, where every step would have one key.

    >>> import jax, tenure as tn
    >>> f = tn.transform(lambda: jax.random.uniform(tn.next_rng_key()) == jax.random.uniform(tn.next_rng_key()))
    >>> bool(f.apply({}, jax.random.key(0)))
    False
    """
    key = maybe_next_rng_key()
    if key is None:
        frame = current_frame("next_rng_key")
        if frame.profile is not None:
            raise frame.profile.missing_key()
        party = Party("asker", frame.scope.path or "~", "", str(call_site()))
        raise missing_key("apply(params, jax.random.key(0), …)", party)
    return key


def maybe_next_rng_key() -> jax.Array | None:
    """A new random key, or None where none was given.

    >>> import tenure as tn
    >>> tn.transform(lambda: tn.maybe_next_rng_key() is None).apply({}, None)
    True
    """
    initialiser = drawing()
    if initialiser is not None:
        return initialiser.draw()
    frame = current_frame("next_rng_key")
    if frame.profile is not None:
        return frame.profile.maybe_next_rng_key()
    if frame.keys is None:
        return None
    path = frame.scope.path
    if (repeating := frame.skipping()) is not None:
        raise CachedTransformError(
            f"a random key is drawn inside of {repeating[0]}, whose steps and further calls would all have the same one",
            parties=[
                Party("asker", path or "~", "", str(call_site())),
                Party("inside", repeating[0], "", str(repeating[1])),
            ],
            ways=[
                "use tn.scan, tn.map, tn.fori_loop, tn.cond, tn.jit, tn.remat, …, which draw another key in each step",
                "draw the keys before the transformation, tn.next_rng_keys(steps), and hand them in",
            ],
        )
    count = frame.key_counts.get(path, 0)
    frame.key_counts[path] = count + 1
    return frame.keys.draw(f"{path}#{count}")


def next_rng_keys(num: int) -> jax.Array:
    """`num` new random keys, stacked.

    >>> import jax, tenure as tn
    >>> tn.transform(lambda: tn.next_rng_keys(3)).apply({}, jax.random.key(0)).shape
    (3,)
    """
    return jax.random.split(next_rng_key(), num)
