"""The report of a training shows what data files say, and runs nothing of it."""

import math
import re

import numpy as np

from tenure.training.rates.scores import EpochScores
from tenure.training.watching import examples
from tenure.training.watching.page import Report, html
from tests.training.watching.pages import Elements

HOSTILE = "</p><script>alert(1)</script><img src=x onerror=alert(2)>'\"&\u202e"


def test_hostile_tags_and_texts_are_shown_and_not_run(tmp_path):
    path = tmp_path / "examples.json"
    examples.keep(path, 3, {HOSTILE: HOSTILE, "b": "x"}, {HOSTILE: HOSTILE})
    kept = examples.read(path)
    report = Report(
        title=HOSTILE, state=HOSTILE, epochs={1: EpochScores(0.1, {f"dev_score_{HOSTILE}": 1.0})}, last=2, key=HOSTILE,
        facts={HOSTILE: HOSTILE}, pages={HOSTILE: "<script>good()</script>"}, examples=kept["examples"], found_in=kept["epoch"],
    )  # fmt: skip
    text = html(report)
    page = Elements(text)
    assert {"script", "img"}.isdisjoint(tag for tag, _ in page.found)
    assert not any(name.startswith("on") for _, of in page.found for name in of)
    assert "\u202e" not in text and HOSTILE.replace("\u202e", "�") in "".join(page.texts)
    policy = next(of["content"] for tag, of in page.found if of.get("http-equiv"))
    assert policy.startswith("default-src 'none'") and "unsafe-inline'; script-src 'sha256-" in policy
    (frame,) = [of for tag, of in page.found if tag == "iframe"]
    assert frame["srcdoc"] == "<script>good()</script>" and frame["sandbox"] == "allow-scripts"


def test_best_values_are_marked_and_values_that_are_no_numbers_are_left_out():
    epochs = {e: EpochScores(0.1, {"dev_score": v}) for e, v in ((1, 2.0), (2, math.nan), (3, np.float32(0.5)))}
    text = html(Report("t", "finished", epochs, 3, "dev_score"))
    assert re.findall(r'class="best"[^>]*><title>(.*?)</title>', text) == ["dev, epoch 3: 0.5, the best"]
    assert "nan" in text and text.count('class="point"') == 1 + 3
