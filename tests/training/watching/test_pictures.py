import builtins

import pytest

from tenure.training.watching.history import Curve
from tenure.training.watching.pictures import picture

CURVES = [
    Curve("dev_score", "dev", "score", {1: 2.0, 2: 1.0, 3: 1.5}),
    Curve("train_score", "train", "score", {1: 300.0, 2: 0.5, 3: 0.25}),
    Curve("dev_error_$x_1$", "dev", "error $x_1$", {1: 0.5}),
    Curve("_empty", "", "empty", {}),
]


def size(png):
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


def test_a_plot_for_each_topic_and_for_the_learning_rate():
    pytest.importorskip("matplotlib")
    width, height = size(picture(CURVES, {1: 0.1, 2: 0.05}, "a_b $ c"))
    assert width > 3 * height  # three plots side by side
    assert size(picture(CURVES[:1], {}))[0] < width / 2


def test_without_matplotlib(monkeypatch):
    load = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return load(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    assert picture(CURVES, {}) is None
