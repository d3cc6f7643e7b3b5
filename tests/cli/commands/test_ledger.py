"""`tenure ledger CONFIG`: the ledger of a config's network."""

from tenure.core.ledger.ledger import Ledger
from tests.cli.process import here, tenure, write

GROWING = """
def get_network(epoch):
    return {**network, "b": {**network["b"], "reuse_params": "a" if epoch > 2 else None}}
"""


def test_the_table_names_owner_and_borrower_and_says_that_the_config_runs(tmp_path):
    said = tenure("ledger", write(tmp_path), "--shared-only", folder=tmp_path)
    assert said.returncode == 0, said.stderr
    assert "a/W" in said.stdout and "↳ b/W" in said.stdout and "110 parameters" in said.stdout
    assert "asked for at" not in said.stdout
    assert "output/W" not in said.stdout
    assert said.stderr == "runs train.config: a config is code\n"


def test_json_is_a_ledger_and_values_of_the_command_line_count(tmp_path):
    name = write(tmp_path, GROWING)
    shared = here("ledger", "--json", name, "-e", "3", folder=tmp_path)
    apart = here("ledger", name, "++num_epochs", "2", "--json", folder=tmp_path)
    assert Ledger.from_json(shared.stdout).owner_of("b/W") == "a/W"
    assert Ledger.from_json(apart.stdout).owner_of("b/W") == "b/W"


def test_the_page_is_written_to_a_file(tmp_path):
    said = here("ledger", write(tmp_path), "--html", "ledger.html", folder=tmp_path)
    assert said.stdout == "ledger.html\n"
    page = (tmp_path / "ledger.html").read_text()
    assert page.startswith("<!doctype html>") and "b/W" in page and "train.config" in page


def test_what_is_wrong_is_told_as_a_sentence(tmp_path):
    assert "needs a config" in here("ledger", folder=tmp_path).stderr
    assert "there is no config file 'none.config'" in here("ledger", "none.config", folder=tmp_path).stderr
    wrong = here("ledger", write(tmp_path, 'network["b"]["from"] = "aa"\n'), folder=tmp_path)
    assert wrong.returncode == 1 and "layer 'b'" in wrong.stderr and "Traceback" not in wrong.stderr
