"""The command line of RETURNN: config files, `++key value`, and short options for some keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tenure.core.errors import nearest
from tenure.training.errors import ConfigError

SHORT = {  # a key by its short option
    "-a": "activation",
    "-b": "batch_size",
    "-c": "chunking",
    "-d": "description",
    "-e": "epoch",
    "-E": "eval",
    "-f": "gate_factors",
    "-g": "lreg",
    "-i": "save_interval",
    "-j": "dropout",
    "-k": "output_file",
    "-l": "log",
    "-L": "load",
    "-m": "momentum",
    "-n": "num_epochs",
    "-o": "order",
    "-p": "loss",
    "-q": "cache",
    "-r": "learning_rate",
    "-s": "hidden_sizes",
    "-t": "truncate",
    "-u": "device",
    "-v": "log_verbosity",
    "-w": "window",
    "-x": "task",
    "-y": "hidden_type",
    "-z": "max_seqs",
}
LONG = {f"--{key}": key for key in SHORT.values()} | {"--verbose": "log_verbosity", "--max_sequences": "max_seqs"}
del LONG["--log_verbosity"], LONG["--max_seqs"]


@dataclass(frozen=True)
class Given:
    """What a command line says.

    Attributes:
      files: the config files, in order.
      values: keys and their values as texts, in the order in which they count.
    """

    files: tuple[str, ...]
    values: tuple[tuple[str, str], ...]


def parse(arguments: Sequence[str]) -> Given:
    """Reads a command line.

    Args:
      arguments: config files first; then `++key value` (a value that begins with a minus is written `+-5`), `-x task`, `--task search`.

    Raises:
      ConfigError: an option is not known, or lacks its value.

    >>> parse(["a.config", "-x", "eval", "++load_epoch", "3", "++threshold", "+-0.1"])
    Given(files=('a.config',), values=(('task', 'eval'), ('load_epoch', '3'), ('threshold', '-0.1')))
    """
    files, rest = [], list(arguments)
    while rest and not rest[0].startswith(("-", "+")):
        files.append(rest.pop(0))
    options, plus = [], []
    while rest:
        name = rest.pop(0)
        if name.startswith("++"):
            value = _value(name, rest)
            plus.append((name[2:], value[1:] if value.startswith("+-") else value))
        elif name.startswith("-"):
            options.append(_option(name, rest))
        else:
            raise ConfigError(f"{name!r} belongs to no option", ways=["config files come first", f"++key {name}"])
    return Given(tuple(files), (*options, *plus))


def _option(name: str, rest: list[str]) -> tuple[str, str]:
    name, equal, value = name.partition("=") if name.startswith("--") else (name, "", "")
    if not equal and name not in SHORT and not name.startswith("--") and name[:2] in SHORT:
        name, equal, value = name[:2], "=", name[2:]
    key = SHORT.get(name) or LONG.get(name)
    if key is None:
        raise ConfigError(f"there is no option {name!r}", near=nearest(name, [*SHORT, *LONG]), ways=["++key value"])
    return key, value if equal else _value(name, rest)


def _value(name: str, rest: list[str]) -> str:
    if not rest:
        raise ConfigError(f"{name} needs a value")
    value = rest.pop(0)
    if value.startswith("-") and name.startswith("++"):
        raise ConfigError(f"{name} {value}: a value that begins with a minus is written +{value}")
    return value
