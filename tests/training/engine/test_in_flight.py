"""Batches in flight: the same results, files and messages as one batch after the other, whatever goes wrong."""

import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
import types

import jax
import numpy as np
import pytest

from tenure.training.engine import in_flight, tasks
from tenure.training.engine.in_flight import batches_in_flight, computed
from tenure.training.engine.log import Log
from tenure.training.engine.mesh import mesh_of
from tenure.training.engine.models import Models
from tenure.training.engine.programs import Programs, Ready
from tenure.training.engine.signals import Stopped
from tenure.training.errors import ConfigError, DataSetError
from tests.training.engine.padded import sequences
from tests.training.engine.told import BEST

ROOT = str(in_flight.__file__).rpartition("/src/")[0]


class Step:
    """A step of so many seconds; it notes how many of its kind are computed at the same time."""

    now, most = 0, 0
    lock = threading.Lock()

    def __init__(self, value, seconds=0.02, beside_others=True):
        self.value, self.seconds, self.beside_others = value, seconds, beside_others

    def __call__(self):
        with Step.lock:
            Step.now += 1
            Step.most = max(Step.most, Step.now)
        time.sleep(self.seconds)
        with Step.lock:
            Step.now -= 1
        if isinstance(self.value, Exception):
            raise self.value
        return self.value

    whole = __call__


@pytest.fixture(autouse=True)
def nothing_goes_on():
    Step.now = Step.most = 0
    threads = {*threading.enumerate()}
    yield
    assert Step.now == 0 and not [t for t in threading.enumerate() if t not in threads and "flight" in t.name]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_results_come_in_the_order_of_the_batches(count):
    found = list(computed(range(12), lambda place, batch: Step(batch * place, 0.02 * (place % 3)), count))
    assert found == [(n, n * n) for n in range(12)] and Step.most == count


def test_no_more_batches_are_taken_than_are_in_flight():
    taken = []
    for batch, _ in computed((taken.append(n) or n for n in range(20)), lambda place, batch: Step(None), 2):
        time.sleep(0.01)
        assert len(taken) <= batch + 4  # this one, two that are computed, and one that is made


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("where", ["computed", "made", "loaded"])
def test_an_error_of_the_third_batch_comes_after_the_results_of_two(count, where):
    error, begun = ValueError("the third"), []

    def batches():
        for n in range(100):
            if n == 2 and where == "loaded":
                raise error
            yield n

    def step(place, batch):
        if batch == 2 and where == "made":
            raise error
        begun.append(batch)
        return Step(error if batch == 2 else batch)

    found = []
    with pytest.raises(ValueError, match="the third"):
        for batch, _ in computed(batches(), step, count):
            found.append(batch)
    assert found == [0, 1] and len(begun) <= 2 + count + 1


def test_who_takes_results_may_leave_at_any_time():
    closed = []

    def batches():
        try:
            yield from range(100)
        finally:
            closed.append(True)

    for batch, _ in computed(batches(), lambda place, batch: Step(batch, 0.05), 2):
        if batch == 3:
            break
    assert closed == [True]


def test_a_slow_source_does_not_hold_results_back():
    there, told = threading.Event(), []

    def batches():
        yield from (0, 1)
        assert there.wait(10)
        yield 2

    for batch, _ in computed(batches(), lambda place, batch: Step(batch), 2):
        told.append(batch)
        if batch == 1:
            there.set()
    assert told == [0, 1, 2]


def test_each_shape_is_compiled_once_by_the_thread_that_asks():
    threads, said = [], []

    def function(x):
        threads.append(threading.current_thread())  # when it is traced
        return x["data"].sum()

    program = Programs(function, batch=0, say=said.append)
    arrays = [{"data": np.ones(n, "float32")} for n in (3, 3, 5, 3, 5, 3, 4, 5, 4, 4)]
    found = computed(arrays, lambda place, x: Ready(program, (x,), {}, float), 3)
    assert [value for _, value in found] == [x["data"].size for x in arrays]
    assert threads == [threading.main_thread()] * 3 and len(said) == 3


def test_a_program_that_calls_python_is_computed_in_turn():
    def prints(i, x):
        jax.debug.print("{i}", i=i)
        return x

    def calls(i, x):
        return jax.pure_callback(np.square, jax.ShapeDtypeStruct((), "f4"), x)

    for body, alone in ((prints, True), (calls, True), (lambda i, x: x, False)):
        program = Programs(lambda x, body=body: jax.lax.fori_loop(0, 2, body, x["one"]), batch=0, say=len)
        step = Ready(program, ({"one": np.ones((), "float32")},), {}, float)
        assert not step.beside_others and step() == 1 and step.beside_others is not alone


def test_how_many_are_in_flight(monkeypatch):
    one = mesh_of({})
    for processors, number in ((1, 1), (2, 2), (64, 2)):
        monkeypatch.setattr(in_flight, "_processors", lambda n=processors: n)
        assert batches_in_flight({}, one) == number
    assert batches_in_flight({"batches_in_flight": 1}, one) == 1
    gpu = types.SimpleNamespace(size=1, devices=np.array([types.SimpleNamespace(platform="gpu")]))
    assert batches_in_flight({}, gpu) == 1 and batches_in_flight({"batches_in_flight": 2}, gpu) == 2
    assert (
        batches_in_flight({"batches_in_flight": 2}, types.SimpleNamespace(size=4)) == 1
    )  # all devices take part in each
    for wrong in (0, -1, True, 1.5):
        with pytest.raises(ConfigError, match="batches_in_flight is"):
            batches_in_flight({"batches_in_flight": wrong}, one)


# whole tasks

NOISY = {
    "h": {"class": "linear", "activation": "tanh", "n_out": 3, "from": "data"},
    "noise": {"class": "eval", "from": "h", "eval": "source(0) + tf.random.normal(tf.shape(source(0)))"},
    "output": {"class": "softmax", "loss": "ce", "from": "noise"},
    "labels": BEST,
}
DATA = {"class": "StaticDataset", "data": sequences(30, 3)}


def given(folder, count, **more):
    return {
        "extern_data": {"data": {"dim": 4}, "classes": {"dim": 3, "sparse": True}},
        "network": NOISY,
        "max_seqs": 2,
        "batches_in_flight": count,
        "allow_random_model_init": True,
        "report": False,
        "model": f"{folder}/model",
        **more,
    }


def said(folder, count, **more):
    """What a task says, without times, and the bytes of the files that it leaves."""
    folder.mkdir()
    out = io.StringIO()
    more = {k: v.replace("FOLDER", str(folder)) if isinstance(v, str) else v for k, v in more.items()}
    tasks.run(given(folder, count, **more), Log(5, out=out))
    text = re.sub(r"compiled (.*?): .*", r"compiled \1", out.getvalue().replace(str(folder), ""))
    text = re.sub(r"\d+:\d\d:\d\d|[\d.]+ sec/step", "TIME", text)
    return text, {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


TASKS = {
    "search": {
        "search_data": DATA,
        "search_output_layer": "labels",
        "search_output_file": "FOLDER/out",
        "search_scores": False,
    },
    "eval": {"dev": DATA, "eval_output_file": "FOLDER/out"},
    "eval of each": {
        "dev": DATA,
        "eval_output_file_per_seq": "FOLDER/out",
        "loss_name": "output",
        "output_per_seq_format": "seq_tag,pos_score",
    },
    "forward": {"eval": DATA, "output_file": "FOLDER/out.hdf", "forward_output_layer": "noise"},
    "forward of a search": {
        "eval": DATA,
        "forward_use_search": True,
        "output_file": "FOLDER/out.hdf",
        "forward_output_layer": "noise",
    },
    "compute_priors": {"train": DATA, "output_file": "FOLDER/out"},
}


@pytest.mark.parametrize("task", TASKS)
def test_a_task_says_and_writes_the_same(tmp_path, task):
    keyless = ("eval of each", "forward", "compute_priors")  # no random numbers are drawn there
    net = {**NOISY, "noise": {"class": "copy", "from": "h"}} if task in keyless else NOISY
    runs = [said(tmp_path / str(n), n, task=task.split()[0], network=net, **TASKS[task]) for n in (1, 2, 3)]
    text, files = runs[0]
    assert text.count("compiled a new shape") + text.count("compiled evaluation") <= 8 and files
    assert "finished after" in text and runs[1] == runs[0] and runs[2] == runs[0]


def test_an_error_names_the_sequence_of_the_third_batch(tmp_path):
    data = [*sequences(6, 3)]
    data[4]["classes"] = np.full_like(data[4]["classes"], 7)
    told = []
    more = {"task": "eval", "dev": {"class": "StaticDataset", "data": data, "seq_ordering": "default"}}
    with pytest.raises(DataSetError, match="'seq-4' has the label 7 in the stream 'classes'"):
        tasks.run(given(tmp_path, 2, **more), Log(0), lambda what, of: told.append(of["step"]) if what == "step" else 0)
    assert told == [0, 1]


NORMED = {
    "norm": {"class": "batch_norm", "from": "data", "momentum": 0.5},
    "output": {"class": "softmax", "loss": "ce", "from": "norm"},
}


def test_what_a_batch_leaves_behind_is_what_the_next_one_begins_with(tmp_path):
    """With padding_legacy, running means see what is evaluated."""
    more = {"task": "eval", "network": NORMED, "dev": DATA, "padding_legacy": True, "eval_output_file": "FOLDER/out"}
    runs = [said(tmp_path / str(n), n, **more) for n in (1, 3)]
    assert runs[0] == runs[1]
    assert runs[0] != said(tmp_path / "other", 3, **{**more, "padding_legacy": False})


def test_a_training_that_is_stopped_while_it_evaluates_evaluates_once_more(tmp_path):
    train = {"class": "StaticDataset", "data": sequences(8, 5)}
    more = {"train": train, "dev": DATA, "num_epochs": 2, "optimizer": {"class": "adam"}, "learning_rate": 0.01}
    steps, scores = [], {}

    def stop(what, told):
        if what == "step" and told["dataset"] == "dev":
            steps.append((told["epoch"], told["step"]))
            if steps[-1] == (1, 3) and steps.count((1, 3)) == 1:
                os.kill(os.getpid(), signal.SIGTERM)

    for name, watch in (("whole", None), ("parts", stop)):
        folder = tmp_path / name
        options = given(folder, 3, **more, learning_rate_file=f"{folder}/rates", allow_random_model_init=None)
        if watch is not None:
            with pytest.raises(Stopped, match="while 'dev' was evaluated after epoch 1, which is saved"):
                tasks.run(options, Log(0), watch)
            assert steps == [(1, n) for n in range(4)] and list(Models(folder / "model").existing()) == [1]
        tasks.run(options, Log(0), watch)
        scores[name] = re.findall("'dev_.*?,", (folder / "rates").read_text())
    assert len(scores["whole"]) == 4 and scores["parts"] == scores["whole"]
    assert steps[4:] == [(epoch, n) for epoch in (1, 2) for n in range(15)]


SEARCHES = """
import sys
sys.path.insert(0, {root!r})
from tests.training.engine.test_in_flight import NOISY, given, sequences
globals().update(given("net", 2, max_seqs=1, search_output_file="out", log_verbosity=4, search_output_layer="labels"))
search_data = {{"class": "StaticDataset", "data": sequences(40) * 1000}}
network = NOISY
"""


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_search_that_is_interrupted_ends_at_once_and_writes_nothing(tmp_path, number, status):
    (tmp_path / "config.py").write_text(SEARCHES.format(root=ROOT))
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "tenure", "search", "config.py"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    tags = []
    for line in process.stdout:
        tags += re.findall("seq_idx: (.*?),", line)
        if len(tags) == 50:
            process.send_signal(number)
            break
    out, errors = process.communicate(timeout=20)
    tags += re.findall("seq_idx: (.*?),", out)
    assert process.returncode == status and "stopped by" in out + errors and "Traceback" not in errors, errors
    assert tags == [str(n) for n in range(len(tags))] and not (tmp_path / "out").exists()
