"""One LSTM's parameters in RETURNN's layout and in TensorFlow's.

RETURNN: `W` [inputs, 4 n], `W_re` [n, 4 n], `b` [4 n], gates in the order candidate, input, forget, output.
TensorFlow: `lstm_cell/kernel` [inputs + n, 4 n], `lstm_cell/bias` [4 n], gates in the order input, candidate, forget, output.

The constant that TensorFlow's cells add to the forget gate is not part of the parameters, and is not converted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from tenure.returnn.checkpoints.conversion import Conversion, Unfit, Values

_TO = ("rnn/lstm_cell", "lstm_cell", "rnn/basic_lstm_cell", "basic_lstm_cell")
_FROM = ("rnn/lstm_cell", "lstm_cell")  # not basic_lstm_cell: RETURNN refuses it


def from_native(missing: Collection[str], free: Collection[str]) -> Iterator[tuple[str, Conversion]]:
    """TensorFlow's kernels and biases, made of RETURNN's matrices.

    Args:
      missing: the variables that the file lacks.
      free: the names in the file that are no variable's.
    """
    for name in missing:
        for cell in _TO:
            kernel_of, bias_of = name.removesuffix(f"/{cell}/kernel"), name.removesuffix(f"/{cell}/bias")
            if kernel_of != name and f"{kernel_of}/W" in free and f"{kernel_of}/W_re" in free:
                yield name, _kernel(kernel_of)
                break
            if bias_of != name and f"{bias_of}/b" in free:
                yield name, _bias(f"{bias_of}/b")
                break


def to_native(missing: Collection[str], free: Collection[str]) -> Iterator[tuple[str, Conversion]]:
    """RETURNN's matrices, made of TensorFlow's kernel and bias. Arguments as in `from_native`."""
    for name in missing:
        layer = name.removesuffix("/W_re")
        if layer == name or not layer.endswith("/rec") or not {f"{layer}/W", f"{layer}/b"} <= set(missing):
            continue
        for cell in _FROM:
            if f"{layer}/{cell}/kernel" in free and f"{layer}/{cell}/bias" in free:
                yield f"{layer}/W", _rows(f"{layer}/{cell}/kernel", of_state=False)
                yield f"{layer}/W_re", _rows(f"{layer}/{cell}/kernel", of_state=True)
                yield f"{layer}/b", _bias(f"{layer}/{cell}/bias")
                break


def swap_gates(array: np.ndarray) -> np.ndarray:
    """The first two of four gates, on the last axis, in the other order.

    >>> swap_gates(np.arange(8)).tolist()
    [2, 3, 0, 1, 4, 5, 6, 7]

    Raises:
      Unfit: the axis has no four parts.
    """
    if not array.ndim or array.shape[-1] % 4:
        raise Unfit(f"{array.shape} is not four gates")
    first, second, *others = np.split(array, 4, axis=-1)
    return np.concatenate([second, first, *others], axis=-1)


def _kernel(layer: str) -> Conversion:
    def make(values: Values) -> np.ndarray:
        inputs, state = values[f"{layer}/W"], values[f"{layer}/W_re"]
        if not inputs.ndim == state.ndim == 2 or inputs.shape[1] != state.shape[1] or state.shape[1] != 4 * len(state):
            raise Unfit(f"'{layer}/W' is {inputs.shape} and '{layer}/W_re' is {state.shape}")
        return swap_gates(np.concatenate([inputs, state]))

    return make


def _rows(kernel: str, *, of_state: bool) -> Conversion:
    def make(values: Values) -> np.ndarray:
        whole = values[kernel]
        size = whole.shape[-1] // 4 if whole.ndim == 2 else 0
        if not 0 < size < len(whole):
            raise Unfit(f"'{kernel}' is {whole.shape}")
        return swap_gates(whole)[-size:] if of_state else swap_gates(whole)[:-size]

    return make


def _bias(name: str) -> Conversion:
    return lambda values: swap_gates(values[name])
