"""Lines of the log that programs parse, as RETURNN writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np


def seconds(elapsed: float) -> str:
    """A time as hours, minutes and seconds.

    >>> seconds(3725.6)
    '1:02:05'
    """
    whole = int(elapsed)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def start_training(epoch: int) -> str:
    """Before the first epoch."""
    return f"start training at epoch {epoch}"


def nothing_to_train(epoch: int, final: int) -> str:
    """In place of the first epoch, where all are trained.

    Args:
      epoch: the one that would be next.
      final: the number of epochs that the config asks for.
    """
    return f"No epochs to train, start_epoch: {epoch}, final_epoch: {final} (num_epochs)"


def start_epoch(epoch: int, rate: float | None, pretraining: bool = False) -> str:
    """Before each epoch."""
    return f"start {_named(epoch, pretraining)} with learning rate {rate} ..."


def using_batch(batch_size: Any, max_seqs: int) -> str:
    """The limits of batches."""
    return f"using batch size: {batch_size}, max seqs: {max_seqs}"


def in_one_row(chunked: bool) -> str:
    """The frames of all sequences of a batch share one row.

    >>> in_one_row(True)
    'no layer is recurrent: the frames of all sequences are in one row, without chunks (recurrent_net = True keeps sequences apart)'
    """
    without = ", without chunks" if chunked else ""
    return f"no layer is recurrent: the frames of all sequences are in one row{without} (recurrent_net = True keeps sequences apart)"


def finished(epoch: int, what: str, steps: int, elapsed: float, computing: float, pretraining: bool = False) -> str:
    """The end of a pass over data.

    Args:
      epoch: its number.
      what: "train", "search", "forward", or the name of a data set that was evaluated.
      steps: how many.
      elapsed: seconds.
      computing: the share of them in which the device had work, 0 to 1.
      pretraining: whether it is an epoch of pretraining.

    >>> finished(1, "train", 5, 61, 0.5), finished(2, "dev", 2, 0, 1, True)
    ('train epoch 1, finished after 5 steps, 0:01:01 elapsed (50.0% computing time)', "pretrain epoch 2 'dev' eval, finished after 2 steps, 0:00:00 elapsed (100.0% computing time)")
    """
    end = f"finished after {steps} steps, {seconds(elapsed)} elapsed ({computing:.1%} computing time)"
    name = _named(epoch, pretraining)
    if what == "train":
        return f"{name if pretraining else f'train {name}'}, {end}"
    if what in ("search", "forward"):
        return f"{name} {what}, {end}"
    return f"{name} {what!r} eval, {end}"


def epoch_score(epoch: int, score: Any, error: Any, elapsed: float, pretraining: bool = False) -> str:
    """The scores of training in an epoch."""
    return f"{_named(epoch, pretraining)} score: {scores(score)} error: {scores(error)} elapsed: {seconds(elapsed)}"


def evaluation_scores(found: Mapping[str, tuple[Any, Any]]) -> str:
    """The scores of all evaluation sets, in one line.

    >>> evaluation_scores({"dev": (0.5, 0.25), "eval": ({"ctc": 1.0, "out": 2.0}, None)})
    'dev: score 0.5 error 0.25 eval: score ctc 1.0 out 2.0 error None'
    """
    return " ".join(f"{name}: score {scores(score)} error {scores(error)}" for name, (score, error) in found.items())


def scores(value: Any) -> str:
    """One score, or those of several losses by name.

    >>> scores({"output": 1.0, "output:exp": 2.7})
    'output 1.0 exp 2.7'
    """
    if not isinstance(value, Mapping):
        return str(value)
    return " ".join(f"{name.rpartition(':')[2]} {score}" for name, score in value.items())


def error_key(key: str | None, errors: Mapping[str, Any]) -> str:
    """Which score learning-rate control looks at."""
    return f"Learning-rate-control: error key {key!r} from {dict(errors)!r}"


def new_rates_file(name: str) -> str:
    """The learning-rate file is not there."""
    return f"Learning-rate-control: file {name} does not exist yet"


def loading_rates(name: str) -> str:
    """The learning-rate file is there."""
    return f"Learning-rate-control: loading file {name}"


def save_model(name: str) -> str:
    """A checkpoint is written."""
    return f"Save model under {name}"


def load_model(name: str) -> str:
    """A checkpoint is read."""
    return f"Load model {name}"


def optimizer_reset(step: int) -> str:
    """The optimizer's state starts anew before a step."""
    return f"Reset updater vars in step {step}."


def finished_training(epoch: int) -> str:
    """After the last epoch."""
    return f"Finished training in epoch {epoch}."


def stopped_early(epoch: int) -> str:
    """No epoch was better for long enough."""
    return f"early_stop: no better epoch for long enough, after epoch {epoch}"


def parameter_count(count: int) -> str:
    """How many numbers the network has to train."""
    return f"net params #: {count}"


def variable(name: str, shape: Sequence[int], dtype: Any = "float32") -> str:
    """A parameter, as TensorFlow shows it.

    >>> variable("l/W", (3,))
    "<tf.Variable 'l/W:0' shape=(3,) dtype=float32>"
    """
    return f"<tf.Variable '{name}:0' shape={tuple(shape)} dtype={np.dtype(dtype).name}>"


def trainable(variables: Iterable[str]) -> str:
    """The parameters that are trained; see `variable`."""
    return f"net trainable params: [{', '.join(variables)}]"


def search_done(steps: int, score: Any, error: Any) -> str:
    """After a search."""
    return f"Search done. Num steps {steps}, Final: score {scores(score)} error {scores(error)}"


def search_output(layer: str, beam: str | None) -> str:
    """Whether the layer of a search's output still has a beam."""
    return f"Given output {layer} has beam {beam}." if beam else f"Given output {layer} is after decision (no beam)."


def hypothesis(text: str, number: int | None = None, score: float = 0.0) -> str:
    """One hypothesis of a sequence; with its number and score if there are several."""
    return f"  hyp: {text}" if number is None else f"  hyp {number}, score {score:.6f}: {text}"


def reference(text: str) -> str:
    """The reference of a sequence."""
    return f"  ref: {text}"


def searched(index: int, tag: str, layer: str, output: Any) -> str:
    """A sequence of a search."""
    many = "s" if isinstance(output, list) else ""
    return f"seq_idx: {index}, seq_tag: {tag!r}, output{many} {layer!r}: {output!r}"


def text_scores(found: Any) -> str:
    """How good the texts of a search are."""
    return f"Search scores: {found}"


def scores_per_sequence(name: str) -> str:
    """Where the scores of each sequence go."""
    return f"Write eval results per seq to {name!r}"


def forward_file(name: str) -> str:
    """Where outputs go."""
    return f"Forwarding to HDF file: {name}"


def config_changed(key: str, epoch: int, old: Any, new: Any) -> str:
    """`#config` of a network changes a value."""
    return f"Update config key {key!r} for epoch {epoch}: {old} -> {new}"


def grown(shown: str, old: Sequence[Sequence[int]], new: Sequence[Sequence[int]]) -> str:
    """A parameter of the last network is part of one of the next."""
    return f"Param {shown}: transform old values of shape parts {_lists(old)} into new shape parts {_lists(new)}."


def network_changed() -> str:
    """The next epoch has another network."""
    return "reinit because network description differs. Diff:"


def step(
    epoch: int,
    number: int,
    costs: Mapping[str, Any],
    sizes: Mapping[str, int],
    sequences: int,
    *,
    pretraining: bool = False,
    took: float | None = None,
    elapsed: float = 0.0,
    complete: float = 0.0,
    exp: bool = False,
) -> str:
    """One step, at the highest verbosity.

    Args:
      epoch, number: which.
      costs, sizes: by name; without sizes, the number of sequences is not told either.
      sequences: of its batch.
      pretraining: whether it is one of pretraining.
      took: seconds since the step before.
      elapsed: seconds of this pass over the data.
      complete: share of the data, 0 to 1.
      exp: whether the exponentials of costs are told too.

    >>> step(1, 3, {"loss": 0.5}, {"data": 9}, 2, took=0.25, elapsed=10, complete=0.5)
    'train epoch 1, step 3, loss 0.5, max_size:data 9, num_seqs 2, 0.250 sec/step, elapsed 0:00:10, exp. remaining 0:00:10, complete 50.00%'
    >>> step(1, 3, {"cost:b": np.float32(0.1), "error:b": np.float32(0.2), "cost:a": np.float32(0)}, {}, 2, exp=True)
    'train epoch 1, step 3, cost:a 0.0, cost:a:exp 1.0, cost:b 0.1, cost:b:exp 1.105171, error:b 0.2'
    """
    values = {
        **costs,
        **{f"{key}:exp": np.exp(value) for key, value in costs.items() if exp and key.startswith("cost:")},
    }
    told = [f"{key} {value!s}" for key, value in sorted(values.items())]  # float32 with as many digits as it has
    told += [f"max_size:{key} {value}" for key, value in sizes.items()]
    name = _named(epoch, pretraining) if pretraining else f"train {_named(epoch, False)}"
    parts = [name, f"step {number}", *told, *([f"num_seqs {sequences}"] if sizes else [])]
    if took is not None:
        left = elapsed / complete - elapsed if complete > 0 else 0.0
        parts += [f"{took:.3f} sec/step", f"elapsed {seconds(elapsed)}", f"exp. remaining {seconds(left)}"]
        parts.append(f"complete {complete:.2%}")
    return ", ".join(parts)


def _named(epoch: int, pretraining: bool) -> str:
    return f"{'pretrain ' if pretraining else ''}epoch {epoch}"


def _lists(parts: Sequence[Sequence[int]]) -> str:
    return str([list(part) for part in parts])
