"""What commands on configs share: reading a config whose code may fail."""

from tests.cli.process import here, tenure


def test_an_error_in_a_config_is_shown_from_the_line_in_the_config_on(tmp_path):
    (tmp_path / "c.py").write_text("def f():\n    return unknown + 1\nx = f()\n")
    for name, run in (("train", tenure), ("check", here)):
        said = run(name, "c.py", folder=tmp_path)
        assert said.returncode == 1 and "Traceback" not in said.stderr
        assert "error: the code of 'c.py' fails\n  File \"c.py\", line 3" in said.stderr
        assert "NameError: name 'unknown' is not defined" in said.stderr and "loading.py" not in said.stderr


def test_a_function_of_a_config_that_fails_later_is_shown_likewise_and_the_rest_is_still_checked(tmp_path):
    config = """#!rnn.py
def found(name):
    assert name.startswith("/there"), name
    return name
train = {"class": "LmDataset", "corpus_file": lambda: found("words.txt")}
dev = {"class": "HDFDataset", "files": ["none.hdf"]}
model = "net/model"
extern_data = {"data": {"dim": 3, "sparse": True}}
network = {"output": {"class": "softmax", "n_out": 3, "loss": "ce", "target": "data", "from": "data"}}
pretrain = {"construction_algo": lambda index, net: None if index else net["none"]}
"""
    (tmp_path / "c.config").write_text(config)
    failed = here("check", "c.config", folder=tmp_path)
    assert "wrong  settings: the code of 'c.config' fails" in failed.stdout and "KeyError: 'none'" in failed.stdout
    (tmp_path / "c.config").write_text(config.partition("pretrain")[0])
    checked = here("check", "c.config", folder=tmp_path)
    assert checked.returncode == 1 and "Traceback" not in checked.stderr
    assert "wrong  data set 'train': the code of 'c.config' fails\n  File \"c.config\", line 5" in checked.stdout
    assert "AssertionError: words.txt" in checked.stdout and "text_corpus.py" not in checked.stdout
    assert "wrong  data set 'dev': not there: 'none.hdf'" in checked.stdout
    trained = here("train", "c.config", "++dev", "None", folder=tmp_path)
    assert trained.returncode == 1 and "error: the code of 'c.config' fails" in trained.stderr
