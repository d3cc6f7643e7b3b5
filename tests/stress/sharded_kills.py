"""`kill -9` while several processes save together: afterwards the previous or the new checkpoint loads whole.

    python -m tests.stress.sharded_kills --times 20

Each round starts two processes whose arrays are sharded over both, so that orbax-checkpoint writes them. They overwrite one checkpoint, or
save through a manager, as fast as they can. The round kills one of them at a random moment, or both, and the other one soon
after, as it waits for its partner for ever; then this process restores. All values are the step's number.
"""

from __future__ import annotations

import argparse
import functools
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import tenure as tn
from tenure.checkpoints import errors, folder

MODES = ["overwrite", "manager"]
VICTIMS = [(0,), (1,), (0, 1)]  # the first process commits
SIZE = 256


def function(x):
    """Two layers, of which one is tied."""
    first = tn.nn.Linear(SIZE, name="first")
    return tn.nn.Linear(SIZE, name="last", share={"w": first.ref("w").T})(first(x))


@functools.cache
def the_plan() -> tn.Plan:
    """Its plan; made late, as JAX's processes have to find each other before it does anything."""
    return tn.transform(function).plan(jnp.ones(SIZE))


def write(mode: str, root: Path, start: int, port: str, index: int) -> None:
    """One of two processes that save for ever; prints a step once its checkpoint is done."""
    jax.config.update("jax_num_cpu_devices", 2)
    jax.distributed.initialize(f"localhost:{port}", 2, index)
    mesh = jax.make_mesh((4,), ("x",), axis_types=(AxisType.Auto,))
    spread = NamedSharding(mesh, PartitionSpec("x"))

    def tree(step: int) -> dict:
        return jax.tree.map(
            lambda s: jax.make_array_from_callback(
                s.shape, spread, lambda i: np.full(s.shape, float(step), s.dtype)[i]
            ),
            the_plan().params,
        )

    manager = tn.CheckpointManager(root / "run", last=2) if mode == "manager" else None
    tn.save(
        root.parent / f"warm-{port}", the_plan(), tree(0)
    )  # what is loaded and compiled once, before the clock runs
    print("ready", flush=True)
    for step in range(start, start + 10_000):
        params = tree(step)
        if manager is None:
            tn.save(root / "run", the_plan(), params, opt_state={"m": params}, step=step, overwrite=True)
        else:
            manager.save(step, the_plan(), params, opt_state={"m": params})
        print(step, flush=True)


def check(mode: str, root: Path, done: int) -> int:
    """The step of the checkpoint that is there, after making sure that it is whole. -1 if there is none."""
    template = {"m": the_plan().params}
    try:
        if mode == "overwrite":
            found = tn.restore(root / "run", the_plan(), opt_state=template)
        else:
            found = tn.CheckpointManager(root / "run").restore(the_plan(), opt_state=template)
            assert not found.report, f"a save that was killed left something that looks whole: {found.report}"
    except errors.CheckpointError as e:
        assert done < 0 and not isinstance(e, errors.DamagedError), f"step {done} was done, and now: {e}"
        return -1
    assert found.step is not None and found.step >= done, f"step {done} was done, and the newest is {found.step}"
    values = {float(v) for a in jax.tree.leaves((found.params, found.opt_state)) for v in (a.min(), a.max())}
    assert values == {float(found.step)}, f"the checkpoint of step {found.step} holds values of {values}"
    return found.step


def debris(root: Path) -> list[str]:
    """What a save that was killed has left."""
    hidden = [p for p in root.rglob("*") if folder.is_debris(p.name)]
    inside = []
    for manifest in root.rglob("tenure.json"):
        kept = {*folder.manifest.read(manifest.parent)["files"], manifest.name}
        inside += [p for p in manifest.parent.iterdir() if p.name not in kept]
    return sorted(str(p.relative_to(root)) for p in [*hidden, *inside])


def killed(mode: str, root: Path, before: int, victims: tuple[int, ...], rng: random.Random) -> tuple[int, list[str]]:
    """Starts two processes, kills at a random moment, and returns the step that is there, and what else was left."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "tests.stress.sharded_kills", "--write", mode, str(root), str(before + 1), port]
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    running = [
        subprocess.Popen([*command, str(i)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=quiet)
        for i in range(2)
    ]
    said: list[int] = []

    def listen() -> None:
        assert running[0].stdout is not None
        said.extend(int(line) for line in running[0].stdout if line.strip().isdecimal())

    try:
        assert running[0].stdout is not None and running[1].stdout is not None
        for process in running:
            line = process.stdout.readline()  # type: ignore[union-attr]
            while line and line != "ready\n":
                line = process.stdout.readline()  # type: ignore[union-attr]
            assert line, "a process ended before it was ready"
        listener = threading.Thread(target=listen)
        listener.start()
        time.sleep(rng.uniform(0.0, 2.0))
        for i in victims:
            running[i].kill()
        time.sleep(rng.uniform(0.0, 0.5))  # the other one meanwhile goes on, or waits
    finally:
        for process in running:
            process.kill()
            process.wait()
    listener.join()
    for process in running:
        assert process.stdout is not None
        process.stdout.close()
    left = debris(root)  # which restoring through a manager removes
    return check(mode, root, max([before, *said])), left


def run(times: int, seed: int, say=print) -> None:
    """So many kills; an assertion fails where a checkpoint is lost or mixed."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as base:
        done = dict.fromkeys(MODES, -1)
        between = 0
        for i in range(times):
            mode, victims = MODES[i % len(MODES)], VICTIMS[i % len(VICTIMS)]
            root = Path(base) / mode
            root.mkdir(exist_ok=True)
            before = done[mode]
            done[mode], left = killed(mode, root, before, victims, rng)
            between += bool(left)
            who = " and ".join(map(str, victims))
            say(f"{i + 1:4d} {mode:<10} killed {who:<8} was at {before}, is at {done[mode]}, left behind: {len(left)}")
        for mode in MODES:
            root, final = Path(base) / mode, done[mode] + 100_000
            params = jax.tree.map(lambda s, step=final: jnp.full(s.shape, float(step), s.dtype), the_plan().params)
            if mode == "overwrite":
                tn.save(root / "run", the_plan(), params, opt_state={"m": params}, step=final, overwrite=True)
            else:
                with tn.CheckpointManager(root / "run", last=2) as manager:
                    manager.save(final, the_plan(), params, opt_state={"m": params})
            assert check(mode, root, final) == final
            assert not debris(root), f"the next save cleans up: {debris(root)}"
        say(f"{times} kills: nothing lost, nothing mixed; {between} of them in the middle of a save")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", nargs=5, metavar=("MODE", "FOLDER", "STEP", "PORT", "INDEX"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        mode, root, step, port, index = options.write
        write(mode, Path(root), int(step), port, int(index))
    else:
        run(options.times, options.seed)


if __name__ == "__main__":
    main()
