"""A disk that is full while a checkpoint is saved: an error, and the old checkpoint as it was.

    python -m tests.stress.full_disk --times 50

The limit on the size of a file (RLIMIT_FSIZE) stands for the disk: the system refuses to write further at a random place.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import resource
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp

import tenure as tn
from tenure.checkpoints import errors


@contextlib.contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file may grow beyond that many bytes."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def run(times: int, seed: int, say=print) -> None:
    """So many full disks; an assertion fails where a checkpoint suffers."""
    rng = random.Random(seed)
    plan = tn.transform(lambda x: tn.nn.Linear(200)(x)).plan(jnp.ones(200))

    def tree(step: int) -> dict:
        return jax.tree.map(lambda s: jnp.full(s.shape, float(step), s.dtype), plan.params)

    with tempfile.TemporaryDirectory() as root:
        path, manager = Path(root) / "a", tn.CheckpointManager(Path(root) / "run")
        tn.save(path, plan, tree(0), step=0, opt_state=tree(0))
        manager.save(0, plan, tree(0))
        manager.wait()
        for i in range(1, times + 1):
            limit = rng.randrange(160_000)
            with room_for(limit):
                try:
                    tn.save(path, plan, tree(i), step=i, opt_state=tree(i), overwrite=True)
                    raise AssertionError(f"saved into {limit} bytes")
                except errors.CheckpointError as e:
                    assert "could not be written" in str(e)
                manager.save(i, plan, tree(i))
                try:
                    manager.wait()
                    raise AssertionError(f"saved into {limit} bytes")
                except errors.CheckpointError as e:
                    assert "could not be written" in str(e)
            found = tn.restore(path, plan, opt_state=plan.params)
            assert found.step == 0 and float(found.params["linear"]["w"].max()) == 0.0
            assert manager.steps() == [0] and not manager.skipped()
            assert len(os.listdir(path)) == 3 and len(os.listdir(root)) == 2
    say(f"{times} full disks: an error each time, and the old checkpoint as it was")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    run(options.times, options.seed)


if __name__ == "__main__":
    main()
