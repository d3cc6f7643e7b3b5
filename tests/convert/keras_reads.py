"""Whether Keras itself loads what the converter writes: `python -m tests.convert.keras_reads PYTHON`, of an environment with Keras.

Keras is no dependency of the tests, so that this is a command. Files of both layouts are written from names and values, and from the
parameters of a model of ours by rules; Keras loads them, tells its weights by name, and what its models make of an input.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import tenure as tn
from tenure import nn
from tenure.convert import Weights, held

SHAPES = {  # by Keras's names, in the order of the alphabet: Keras makes them in another one
    "embed/embeddings": (5, 3),
    "conv/bias": (6,),
    "conv/depthwise_kernel": (3, 3, 1),
    "conv/pointwise_kernel": (1, 3, 6),
    "norm/beta": (6,),
    "norm/gamma": (6,),
    "norm/moving_mean": (6,),
    "norm/moving_variance": (6,),
    "lstm/lstm_cell/bias": (8,),
    "lstm/lstm_cell/kernel": (6, 8),
    "lstm/lstm_cell/recurrent_kernel": (2, 8),
    "dense/bias": (3,),
    "dense/kernel": (2, 3),
}
PLACES = {  # the same in Keras 3's layout
    "embed/embeddings": "layers/embedding/vars/0",
    "conv/depthwise_kernel": "layers/separable_conv1d/vars/0",
    "conv/pointwise_kernel": "layers/separable_conv1d/vars/1",
    "conv/bias": "layers/separable_conv1d/vars/2",
    "norm/gamma": "layers/batch_normalization/vars/0",
    "norm/beta": "layers/batch_normalization/vars/1",
    "norm/moving_mean": "layers/batch_normalization/vars/2",
    "norm/moving_variance": "layers/batch_normalization/vars/3",
    "lstm/lstm_cell/kernel": "layers/lstm/cell/vars/0",
    "lstm/lstm_cell/recurrent_kernel": "layers/lstm/cell/vars/1",
    "lstm/lstm_cell/bias": "layers/lstm/cell/vars/2",
    "dense/kernel": "layers/dense/vars/0",
    "dense/bias": "layers/dense/vars/1",
}
RULES = {
    "{layer=up:up,down:down}/w": "{layer}/{layer}/kernel:0",
    "{layer=up:up,down:down}/b": "{layer}/{layer}/bias:0",
    "ln/{p=scale:gamma,offset:beta}": "ln/ln/{p}:0",
}


def perceptron(x: jax.Array) -> jax.Array:
    """The model that `load_in_keras.py` builds."""
    x = nn.LayerNorm(-1, True, True, name="ln")(jax.nn.relu(nn.Linear(8, name="up")(x)))
    return nn.Linear(2, name="down")(x)


def written(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """Writes the files; returns what each of them holds, by Keras's names, and what our model makes of the input."""
    draw = np.random.RandomState(0)
    values = {name: draw.uniform(0.1, 1, shape).astype("float32") for name, shape in SHAPES.items()}
    legacy = {f"{n.partition('/')[0]}/{n}:0": held(v) for n, v in values.items()}
    tn.convert.write(folder / "functional.h5", Weights("", "", legacy))
    places = {PLACES[n]: held(v) for n, v in values.items()}
    tn.convert.write(folder / "functional.weights.h5", Weights("", "", places))
    x = jnp.linspace(-1, 1, 18).reshape(3, 6)
    model = tn.transform(perceptron)
    params = jax.tree.map(lambda p: p + 0.25, model.init(jax.random.key(0), x))
    ours = {f"{m}/{n}": held(np.asarray(v)) for m, names in params.items() for n, v in names.items()}
    rules = dict(RULES)
    found = tn.convert.apply(Weights("", "", ours), rules)
    tn.convert.write(folder / "perceptron.h5", found)
    theirs = {n.partition("/")[2].removesuffix(":0"): np.asarray(found[n]) for n in found}
    out = np.asarray(model.apply(params, None, x))
    return {"functional.h5": values, "functional.weights.h5": values, "perceptron.h5": {**theirs, "__out__": out}}


def run(python: str) -> None:
    """Writes, lets Keras load, and compares."""
    with tempfile.TemporaryDirectory() as folder:
        expected = written(Path(folder))
        program = Path(__file__).parent / "fixtures" / "load_in_keras.py"
        done = subprocess.run([python, program, folder], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        for file, values in expected.items():
            loaded = np.load(Path(folder) / f"{file}.npz")
            for name, value in values.items():
                if name == "__out__":
                    gap = np.abs(loaded[name] - value).max()
                    assert gap < 1e-5, (file, gap)
                else:
                    assert np.array_equal(loaded[name], value), (file, name)
            assert len(loaded.files) - 1 == len(values.keys() - {"__out__"}), (file, loaded.files)
            print(f"{file}: {len(values)} arrays as written")
        print(f"Keras {done.stdout.strip().splitlines()[-1]} loads all of them")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python", help="of an environment with Keras")
    run(parser.parse_args().python)
