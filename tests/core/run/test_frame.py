"""Each run has a frame of its own, also among threads."""

import threading

import jax.numpy as jnp
import numpy as np

import tenure as tn
from tests.core.zoo import ZOO

X = jnp.linspace(-1.0, 1.0, 8).reshape(2, 4)


def test_transforms_in_several_threads_do_not_mix():
    entry, results = ZOO["transitive"], {}

    def work(i):
        model = tn.transform(entry.function)
        results[i] = model.apply(model.init(i, X), None, X)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    for i, out in results.items():
        model = tn.transform(entry.function)
        np.testing.assert_allclose(out, model.apply(model.init(i, X), None, X), rtol=1e-6)
