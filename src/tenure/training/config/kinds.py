"""What the value of a key must be, for keys that hold numbers: told before anything is done with them."""

from __future__ import annotations

import ast
import contextlib
import math
import numbers
import os
from collections.abc import Mapping
from typing import Any

from tenure.core.errors import brief
from tenure.training.errors import ConfigError

_WHOLE = {
    *("num_epochs", "save_interval", "random_seed"),
    *("accum_grad_multiple_step", "load_threads", "load_processes", "batches_in_flight"),
    *("load_epoch", "epoch", "window"),
    *("newbob_multi_num_epochs", "newbob_multi_update_interval", "learning_rate_control_min_num_epochs_per_new_lr"),
    *("shuffle_frames_of_nseqs", "sil_label_idx", "reset_updater_vars_mod_step"),
}
_NUMBERS = {
    *("learning_rate", "min_learning_rate", "pretrain_learning_rate"),
    *("gradient_clip", "gradient_clip_norm", "gradient_clip_avg_norm"),
    *("gradient_clip_global_norm", "gradient_noise", "grad_norm_to_clip_to_zero"),
    *("optimizer_epsilon", "momentum", "momentum2", "rmsprop"),
    *("decouple_constraints_factor", "learning_rate_decay", "learning_rate_growth"),
    *("newbob_learning_rate_decay", "newbob_learning_rate_growth", "newbob_relative_error_threshold"),
    *("newbob_relative_error_grow_threshold", "newbob_error_threshold", "seq_drop"),
    *("save_every_minutes", "max_seqs", "max_total_num_seqs"),
    *("chunking_variance",),
}
_FRAMES = {"batch_size", "forward_batch_size", "packed_batch_size", "max_seq_length", "min_seq_length", "max_pad_size"}
_MAPPINGS = {"eval_datasets", "preload_from_files", "sharding", "tensorboard_opts"}

FILES = {
    *("model", "learning_rate_file", "output_file", "search_output_file", "eval_output_file", "search_scores_file"),
    *("tf_log_dir", "average_output", "load", "import_model_train_epoch1"),
}
_TEXTS = FILES | {"task", "log", "device"}


def read(name: str, text: str) -> Any:
    """The value of a text that a config gives: what Python reads, or the text itself, as names of files always are.

    Args:
      name: of the key.
      text: from the command line, or from a config of lines.

    >>> read("num_epochs", "05"), read("max_seqs", "inf"), read("chunking", "(50, 25)"), read("model", "2024")
    (5, inf, (50, 25), '2024')
    """
    if name in _TEXTS:
        return text if text != "None" else None
    for number in (int, float) if name in _WHOLE | _NUMBERS | _FRAMES else ():
        with contextlib.suppress(ValueError):
            return number(text)
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


def plain(name: str, value: Any) -> Any:
    """A typed value; a text where the key takes numbers is read, and of options in a list the first counts, as RETURNN does.

    >>> plain("num_epochs", "5"), plain("learning_rates", "{3: 0.5}"), plain("cleanup_old_models", (True,))
    (5, {3: 0.5}, True)
    """
    if name == "cleanup_old_models" and isinstance(value, list | tuple) and value:
        return value[0]
    takes_numbers = name in _WHOLE | _NUMBERS | _FRAMES or name == "learning_rates"
    return read(name, value) if takes_numbers and isinstance(value, str) else value


def check_kind(name: str, value: Any) -> None:
    """Refuses a value that is none of the kind that a key takes.

    Args:
      name: of the key.
      value: that the config gives; None, False, and an empty text or list, stand for none.

    Raises:
      ConfigError: it is of another kind.

    >>> check_kind("num_epochs", 3), check_kind("batch_size", {"data": 300}), check_kind("my_own", "x")
    (None, None, None)
    >>> check_kind("num_epochs", "three")
    Traceback (most recent call last):
    tenure.training.errors.ConfigError: num_epochs is 'three', and no whole number
    """
    if value is None or value is False or (isinstance(value, str | list | tuple | dict) and not value):
        return
    if name in _WHOLE and not _is_number(value, whole=True):
        raise ConfigError(f"{name} is {brief(value)}, and no whole number")
    if name == "batches_in_flight" and value < 1:
        raise ConfigError(f"{name} is {brief(value)}", ways=["1, for one after the other", "2"])
    if name in _NUMBERS and not _is_number(value):
        raise ConfigError(f"{name} is {brief(value)}, and no number")
    if name in _FRAMES and not all(map(_is_number, value.values() if isinstance(value, Mapping) else [value])):
        raise ConfigError(
            f"{name} is {brief(value)}, and no number of frames", ways=[f"{name} = 5000", f'{name} = {{"data": 5000}}']
        )
    if name in _MAPPINGS and not isinstance(value, Mapping):
        raise ConfigError(f"{name} is {brief(value)}, and no dictionary")
    if name in FILES and not isinstance(value, str | os.PathLike):
        raise ConfigError(f"{name} is {brief(value)}, and no name of a file")
    if name == "log" and not isinstance(value, str | list | tuple):
        raise ConfigError(f"{name} is {brief(value)}", ways=['["log/train.log"]'])
    if name == "cleanup_old_models" and not isinstance(value, bool | int | Mapping):
        raise ConfigError(f"{name} is {brief(value)}", ways=["True", '{"keep_last_n": 2, "keep_best_n": 4}'])
    if name == "learning_rates" and not _are_numbers(value):
        raise ConfigError(f"{name} is {brief(value)}", ways=["[0.001, 0.0005]", "{1: 0.001, 20: 0.0005}"])
    if name == "search_train_network_layers" and not _are_names(value):
        raise ConfigError(f"{name} is {brief(value)}, and no list of names of layers", ways=['["output", "decision"]'])
    if name == "extern_data":
        _check_streams(value)


def _check_streams(value: Any) -> None:
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"extern_data is {brief(value)}, and no dictionary of streams", ways=['{"data": {"dim": 40}}']
        )
    for stream, options in value.items():
        if isinstance(options, Mapping) and isinstance(options.get("dim"), str | float):
            raise ConfigError(
                f"the 'dim' of {stream!r} in extern_data is {brief(options['dim'])}, and no whole number",
                ways=[f'{{"{stream}": {{"dim": 40}}}}'],
            )


def _are_names(value: Any) -> bool:
    """Whether these are names: in a list, or in a text with commas in between."""
    return isinstance(value, str) or (isinstance(value, list | tuple) and all(isinstance(v, str) for v in value))


def _are_numbers(value: Any) -> bool:
    """Whether these may be learning rates: numbers by epoch, in a dictionary or one after the other."""
    rates = value.values() if isinstance(value, Mapping) else value
    if isinstance(rates, str) or not hasattr(rates, "__iter__"):
        return False
    return all(map(_is_number, rates)) if isinstance(value, Mapping | list | tuple) else True


def _is_number(value: Any, whole: bool = False) -> bool:
    if not isinstance(value, numbers.Real) or value != value:
        return False
    return not whole or (math.isfinite(value) and float(value).is_integer())
