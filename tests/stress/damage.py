"""Damaged checkpoints: each is an error that names the file, or loads exactly right.

    python -m tests.stress.damage --times 10000

Files are cut, lengthened, swapped, taken away and emptied, bits are flipped, JSON is edited (also with a new checksum, as somebody
would who means harm), shapes, offsets and sizes are made absurd, and a ledger is made to expand without end. Reading must not
crash, take long, execute anything, or ask for more memory than the checkpoint has.
"""

from __future__ import annotations

import argparse
import base64
import collections
import functools
import json
import random
import resource
import shutil
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

import tenure as tn
from tenure.checkpoints import manifest
from tenure.core.errors import TenureError
from tests.checkpoints.golden import STAGES, numbers, staged
from tests.seconds import spent

SLOW = 5.0  # seconds of the processor for one file
MEMORY = 1 << 30  # bytes that reading may take more than before

Damage = Callable[[Path, random.Random], str]
DAMAGES: list[Damage] = []


def damage(function: Damage) -> Damage:
    """Registers a way to damage a checkpoint; it says what it did."""
    DAMAGES.append(function)
    return function


def a_file(folder: Path, rng: random.Random) -> Path:
    return rng.choice(sorted(folder.iterdir()))


@damage
def flip_bits(folder: Path, rng: random.Random) -> str:
    path = a_file(folder, rng)
    data = bytearray(path.read_bytes())
    for _ in range(rng.choice([1, 1, 1, 2, 8])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    return f"bits of {path.name}"


@damage
def flip_bits_of_a_header(folder: Path, rng: random.Random) -> str:
    path = rng.choice(sorted(folder.glob("*.safetensors")))
    data = bytearray(path.read_bytes())
    end = 8 + int.from_bytes(data[:8], "little")
    data[rng.randrange(end)] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    return f"header of {path.name}"


@damage
def cut(folder: Path, rng: random.Random) -> str:
    path = a_file(folder, rng)
    data = path.read_bytes()
    path.write_bytes(data[: rng.randrange(len(data))])
    return f"{path.name} is cut"


@damage
def lengthen(folder: Path, rng: random.Random) -> str:
    path = a_file(folder, rng)
    with path.open("ab") as file:
        file.write(rng.randbytes(rng.choice([1, 8, 1000])))
    return f"{path.name} is longer"


@damage
def overwrite_a_block(folder: Path, rng: random.Random) -> str:
    path = a_file(folder, rng)
    data = bytearray(path.read_bytes())
    start = rng.randrange(len(data))
    size = min(rng.choice([4, 64, 512]), len(data) - start)
    data[start : start + size] = bytes(size) if rng.random() < 0.5 else rng.randbytes(size)
    path.write_bytes(data)
    return f"a block of {path.name}"


@damage
def swap(folder: Path, rng: random.Random) -> str:
    first, second = rng.sample(sorted(folder.iterdir()), 2)
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)
    return f"{first.name} and {second.name} are swapped"


@damage
def take_away(folder: Path, rng: random.Random) -> str:
    path = a_file(folder, rng)
    path.unlink()
    if rng.random() < 0.3:
        path.mkdir()
    return f"{path.name} is gone"


@damage
def empty(folder: Path, rng: random.Random) -> str:
    path = a_file(folder, rng)
    path.write_bytes(b"")
    return f"{path.name} is empty"


def spots(value: object, found: list) -> list:
    """All (container, key) of a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found.append((value, key))
        spots(inner, found)
    return found


ABSURD = [
    None,
    -1,
    0,
    2**63,
    2**70,
    1e308,
    float("inf"),
    "",
    "x" * 5000,
    "../../etc/passwd",
    [],
    {},
    [[]],
    True,
    "int4",
    "O",
]
ABSURD += [
    ["__import__('os').system('true')"],
    "embed/w | transpose",
    {"leaf": 0},
    [2**40, 2**40],
    "float64",
    [[1] * 100],
]


def edited(body: dict, rng: random.Random) -> str:
    container, key = rng.choice(spots(body, []))
    kind = rng.randrange(3)
    if kind == 0:
        container[key] = rng.choice(ABSURD)
    elif kind == 1 and isinstance(container, dict):
        container[str(key) + rng.choice(["x", "/", ""])] = container.pop(key)
    else:
        del container[key]
    return f"{key!s:.40}"


def rewrite(folder: Path, body: dict) -> None:
    """The manifest with a checksum that fits."""
    generation = {k: v for k, v in body.items() if k not in ("tenure_checkpoint", "xxh3")}
    text = json.dumps(generation)[1:].encode()
    head = f'{{"tenure_checkpoint": 1, "xxh3": "{manifest.checksum(text)}",\n'.encode()
    (folder / manifest.NAME).write_bytes(head + text)


@damage
def edit_json(folder: Path, rng: random.Random) -> str:
    body = json.loads((folder / manifest.NAME).read_text())
    what = edited(body, rng)
    (folder / manifest.NAME).write_text(json.dumps(body))
    return f"JSON: {what}"


@damage
def edit_json_and_its_checksum(folder: Path, rng: random.Random) -> str:
    body = json.loads((folder / manifest.NAME).read_text())
    what = edited(body, rng)
    rewrite(folder, body)
    return f"meant: {what}"


@damage
def edit_a_header_and_all_checksums(folder: Path, rng: random.Random) -> str:
    body = json.loads((folder / manifest.NAME).read_text())
    path = rng.choice(sorted(folder.glob("*.safetensors")))
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    what = edited(header, rng)
    text = json.dumps(header).encode()
    start = len(text).to_bytes(8, "little") if rng.random() < 0.8 else rng.randbytes(8)
    new = start + text + data[8 + size :]
    path.write_bytes(new)
    body["files"][path.name] |= {"bytes": len(new), "header": manifest.checksum(start + text)}
    rewrite(folder, body)
    return f"meant, {path.name}: {what}"


@functools.cache
def bomb() -> str:
    """A gigabyte of blanks, packed."""
    engine = zlib.compressobj(1)
    packed = b"".join(engine.compress(b" " * (1 << 20)) for _ in range(1024)) + engine.flush()
    return base64.b64encode(packed).decode()


@damage
def a_ledger_without_end(folder: Path, rng: random.Random) -> str:
    body = json.loads((folder / manifest.NAME).read_text())
    kind = rng.randrange(3)
    if kind == 0:
        body["ledger"] = {"zlib": bomb()}
    elif kind == 1:
        body["ledger"] = json.loads("[" * 400 + "]" * 400)
    else:
        body["trees"]["key"] = json.loads('{"list":[' * 300 + '{"leaf":0}' + "]}" * 300)
    rewrite(folder, body)
    return f"a ledger without end, {kind}"


def sound() -> tuple[Path, dict]:
    """A whole checkpoint in a folder, and what is in it."""
    net = tn.transform_with_state(staged, stages=STAGES)
    plan = net.plan(jnp.ones((2, 3)))
    params, state = numbers(plan.params), numbers(plan.state)
    optimizer = optax.adam(1e-3)
    opt_state = numbers(jax.eval_shape(optimizer.init, params))
    folder = Path(tempfile.mkdtemp()) / "sound"
    tn.save(folder, plan, params, state=state, opt_state=opt_state, key=jax.random.key(1), step=3, metadata={"a": [1]})
    return folder, dict(plan=plan, params=params, state=state, opt_state=opt_state)


def same(a: object, b: object) -> bool:
    one, other = jax.tree.leaves(a), jax.tree.leaves(b)
    if jax.tree.structure(a) != jax.tree.structure(b):
        return False
    return all(np.asarray(x).tobytes() == np.asarray(y).tobytes() and x.shape == y.shape for x, y in zip(one, other))


def read(folder: Path, sound: dict, meant: bool) -> str:
    """Restores; "right", "wrong", or the name of the error."""
    try:
        found = tn.restore(folder, sound["plan"], opt_state=sound["opt_state"])
    except TenureError as e:
        assert str(e), "an error says something"
        return type(e).__name__
    right = same((found.params, found.state, found.opt_state), (sound["params"], sound["state"], sound["opt_state"]))
    right = right and (meant or (found.step, found.metadata) == (3, {"a": [1]}))
    return "right" if right else "wrong"


def run(times: int, seed: int, say=print) -> None:
    """So many damaged checkpoints; an assertion fails where one is not refused, and not right."""
    rng, (folder, expected) = random.Random(seed), sound()
    assert read(folder, expected, False) == "right"
    counts: collections.Counter = collections.Counter()
    broken = folder.with_name("broken")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for i in range(times):
        shutil.rmtree(broken, ignore_errors=True)
        shutil.copytree(folder, broken)
        how = DAMAGES[i % len(DAMAGES)]
        what = how(broken, rng)
        said = []
        try:
            seconds = spent(
                lambda checksum="checksum" in how.__name__: said.append(read(broken, expected, checksum)), SLOW
            )
        except Exception as e:
            raise AssertionError(f"{i}: {how.__name__} ({what}): {type(e).__name__}: {e}") from e
        verdict = said[0]
        assert seconds < SLOW, f"{i}: {how.__name__} ({what}) took {seconds:.1f} s"
        if verdict == "wrong":
            # whoever can write checksums can write other values: then the file is another checkpoint, and not damaged
            assert "checksum" in how.__name__, f"{i}: {how.__name__} ({what}) loads, and is not what was saved"
            verdict = "another checkpoint, with checksums that fit"
        counts[verdict] += 1
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    assert grown < MEMORY, f"reading took {grown / 2**20:.0f} MiB more"
    shutil.rmtree(folder.parent)
    for verdict, n in counts.most_common():
        say(f"{n:6d}  {verdict}")
    say(f"{times} damaged checkpoints, none read wrongly; memory grew by {grown / 2**20:.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    run(options.times, options.seed)


if __name__ == "__main__":
    main()
