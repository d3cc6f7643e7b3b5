"""Reads an HDF5 file in a process of its own, and writes what is in it to standard output: a program, never imported.

The HDF5 library may crash, or never come to an end, on a file that was damaged. A process can be limited, and watched.
The output is the length of a header in eight bytes, the header as JSON, and the values one after the other.
"""

import json
import os
import resource
import sys

FREE, RATIO = 64 << 20, 1000  # bytes that a data set may unpack to, and how many times its stored size beyond
FILTERS = {"1", "2", "3", "4", "32000", "gzip", "shuffle", "fletcher32", "szip", "lzf"}


def refuse(where, what):
    """Ends with an error that the reader tells."""
    answer({"error": [where, what]}, [])
    sys.exit(0)


def answer(header, arrays):
    """Writes the output."""
    text = json.dumps(header).encode()
    out = sys.stdout.buffer
    out.write(len(text).to_bytes(8, "little") + text)
    for array in arrays:
        out.write(array.tobytes())
    out.flush()


def plain(value):
    """An attribute as JSON holds it, or None."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, (str, int, float)) else None


def values(name, item):
    """A data set's values, after what it claims has been checked."""
    import math

    import numpy as np

    where = f"the data set '{name[:200]}'"
    if item.dtype.kind == "V":
        refuse(where, f"its values are {str(item.dtype)[:60]}, which are not read")
    if item.external or item.is_virtual:
        refuse(where, "its values are in other files, which are not read")
    for code in item._filters:
        if code not in FILTERS:
            refuse(where, f"it has the filter {code[:40]!r}, which is not read")
    shape, stored = item.shape, item.id.get_storage_size()
    if shape is None or math.prod(max(n, 1) for n in shape) * item.dtype.itemsize > FREE + RATIO * stored:
        refuse(where, f"{stored:,} bytes are stored for the shape {shape}")
    if not stored and math.prod(shape):
        refuse(where, "no values are stored")
    return np.asarray(item[()], item.dtype.newbyteorder("="), order="C")


def listed(group, what):
    """An attribute that lists names, which Keras cuts into pieces where it is long."""
    pieces = [what] if what in group.attrs else [f"{what}{i}" for i in range(10_000) if f"{what}{i}" in group.attrs]
    names = [name for piece in pieces for name in list(group.attrs[piece])]
    return [name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name in names]


def order(file):
    """Data sets in the order in which Keras 2 lists layers, and weights in them, as it loads by position."""
    top = "" if "layer_names" in file.attrs or "model_weights" not in file else "model_weights/"
    layers = listed(file[top or "/"], "layer_names")
    return [
        f"{top}{layer}/{name}"
        for layer in layers
        if layer in file[top or "/"]
        for name in listed(file[top + layer], "weight_names")
    ]


def main(path, seconds, memory):
    """Reads the file."""
    import h5py

    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        with h5py.File(path, "r") as file:
            names: list[str] = []
            file.visit(names.append)
            first = {name: i for i, name in enumerate(order(file))}
            found = [(n, file[n]) for n in sorted(names, key=lambda n: first.get(n, len(first)))]
            arrays = [(n, values(n, d)) for n, d in found if isinstance(d, h5py.Dataset) and d.dtype.kind in "biufcV"]
            about = {key: plain(value) for key, value in file.attrs.items()}
    except Exception as error:
        refuse("its structure", f"HDF5 says: {type(error).__name__}: {str(error)[:300]}")
    entries = [[n, list(a.shape), a.dtype.str] for n, a in arrays]
    answer({"arrays": entries, "about": {k: v for k, v in about.items() if v is not None}}, [a for _, a in arrays])


if __name__ == "__main__":
    os.environ.pop("HDF5_PLUGIN_PATH", None)
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
