"""`tenure check CONFIG`: what can be known of a training before it starts."""

import re

import pytest

from tests.cli.process import here, tenure, write


def test_a_good_config_passes_and_nothing_is_written(tmp_path):
    said = tenure("check", write(tmp_path), "-e", "2", folder=tmp_path)
    assert said.returncode == 0, said.stdout + said.stderr
    lines = said.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        *("ok     keys", "ok     settings", "ok     network of epoch 1", "ok     checkpoints"),
        *(
            "ok     data set 'train'",
            *(line.split(":")[0] for line in lines[5:-2]),
            "ok     data set 'dev'",
            "nothing wrong was found",
        ),
    ]
    assert "110 parameters" in lines[2] and "12 sequences; first batch: data (" in lines[4]
    pattern = r"ok     memory of \d+ x \(data \d+, classes \d+\): about [\d.]+ [KM]iB; \d batch(es)?"
    assert lines[5:-2] and all(re.fullmatch(pattern, line) for line in lines[5:-2])
    assert said.stderr == "runs train.config: a config is code\n"
    assert [path.name for path in tmp_path.iterdir()] == ["train.config"]


def test_all_that_is_wrong_is_told_at_once(tmp_path):
    more = """
batchsize = 3
load = "no/model.003"
def get_network(epoch):
    return network if epoch < 2 else {"output": {"class": "softmax", "loss": "ce", "from": "h4"}}
train = {"class": "HDFDataset", "files": [f"{i}.hdf" for i in range(7)]}
dev = {"class": "MetaDataset", "datasets": {"a": {"class": "OggZipDataset", "path": "a.zip"}}, "data_map": {}}
eval = {"class": "ExternSprintDataset"}
"""
    said = here("check", write(tmp_path, more), folder=tmp_path)
    assert said.returncode == 1 and "Traceback" not in said.stderr
    assert "wrong  keys: the config sets 'batchsize', which is no key; 'batch_size' is" in said.stdout
    assert "ok     network of epoch 1" in said.stdout
    assert "wrong  network of epoch 2: layer 'output': option 'from' names 'h4'" in said.stdout
    assert "wrong  checkpoints: not there: 'no/model.003'" in said.stdout
    assert "'train': not there: '0.hdf', '1.hdf', '2.hdf', '3.hdf', '4.hdf', and 2 more" in said.stdout
    assert "'dev': not there: 'a.zip'" in said.stdout
    assert "wrong  data set 'eval': the data set class 'ExternSprintDataset'" in said.stdout
    assert said.stdout.endswith("6 wrong\n")


@pytest.mark.parametrize(
    "more, words",
    [
        ("num_inputs = 7\ndel network['b']['reuse_params']\n", "wrong  data set 'train'"),
        ("num_outputs = 1\n", "'seq-0' has the label 1 in the stream 'classes', and the network has 1 labels"),
        ("optimizer = {'class': 'adm'}\n", "nearest names: adam"),
        ("train = None\n", "the config has no data set 'train'"),
        ("train = 'train.hdf'\n", "there is no HDF file 'train.hdf'"),
        ("network = [network]\n", "and no dictionary of layers"),
        ("target = 'text'\n", "the streams of extern_data: 'classes', 'data'"),
        ("model = None\n", "wrong  settings: 'model'"),
        ("max_seq_length = 1\nrecurrent_net = True\n", "wrong  data set 'train': the data set 'train' has no batch"),
    ],
)
def test_what_does_not_fit_is_found(tmp_path, more, words):
    said = here("check", write(tmp_path, more), folder=tmp_path)
    assert said.returncode == 1 and words in said.stdout and "Traceback" not in said.stderr, said.stdout + said.stderr


def test_keys_of_another_kind_are_all_told_and_the_rest_is_looked_at(tmp_path):
    more = "batch_size, max_seqs, num_epochs = 'many', 'few', 'three'\noptimizer = {'class': 'adm'}\n"
    said = here("check", write(tmp_path, more), folder=tmp_path)
    for words in ("batch_size is 'many'", "max_seqs is 'few'", "num_epochs is 'three'"):
        assert f"wrong  keys: {words}" in said.stdout
    assert "nearest names: adam" in said.stdout and "ok     data set 'train'" in said.stdout
    assert said.returncode == 1 and said.stdout.endswith("4 wrong\n") and "Traceback" not in said.stderr


def test_the_layer_of_a_search_is_looked_at_in_a_config_that_trains(tmp_path):
    more = "network['found'] = {'class': 'decidee', 'from': 'output'}\nsearch_output_layer = 'found'\n"
    said = here("check", write(tmp_path, more), folder=tmp_path)
    assert "ok     network of epoch 1" in said.stdout and "nearest names: decide" in said.stdout
    assert "wrong  search: layer 'found': there is no layer class 'decidee'" in said.stdout


def test_a_file_that_is_not_there_is_told_with_the_one_that_is(tmp_path):
    (tmp_path / "train.hdf").write_bytes(b"")
    train = {"class": "HDFDataset", "files": [f"{tmp_path}/trian.hdf"]}
    said = here("check", write(tmp_path, f"train = {train}\n"), folder=tmp_path)
    assert f"not there: '{tmp_path}/trian.hdf' (but '{tmp_path}/train.hdf' is)" in said.stdout


def test_compile_measures_the_memory_of_each_shape(tmp_path):
    said = here("check", write(tmp_path), "--compile", folder=tmp_path)
    found = [line for line in said.stdout.splitlines() if "memory" in line]
    assert said.returncode == 0 and found
    assert all(re.search(r": [\d.]+ [KM]iB, compiled in [\d.]+ s; \d batch", line) for line in found)
