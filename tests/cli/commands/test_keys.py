"""`tenure keys`: the table of all keys."""

import json
from pathlib import Path

from tenure.training.config.keys import KEYS, NOT_DONE
from tests.cli.process import here, tenure


def test_all_keys_are_listed_with_their_class():
    done = tenure("keys", "--json")
    assert done.returncode == 0, done.stderr
    assert {key["name"]: key["state"] for key in json.loads(done.stdout)} == {n: k.state for n, k in KEYS.items()}


def test_keys_are_filtered_by_name_and_by_class():
    refused = here("keys", "TRAIN", "--class", "not-done")
    names = [name for name, key in KEYS.items() if "train" in name and key.state == NOT_DONE]
    shown = [line.split()[0] for line in refused.stdout.splitlines() if line.startswith("  ")]
    assert refused.returncode == 0 and names and shown == names
    assert f"{len(names)} keys: {len(names)} not done" in refused.stdout


def test_a_word_that_no_key_has_is_answered_with_the_nearest_key():
    missing = here("keys", "batch_sise")
    assert missing.returncode == 1 and "batch_size" in missing.stdout and not missing.stderr


def test_the_page_of_all_keys_is_current():
    page = Path(__file__).parents[3] / "docs" / "keys.md"
    assert page.read_text(encoding="utf-8") == here("keys", "--markdown").stdout, (
        "tenure keys --markdown > docs/keys.md"
    )


def test_layer_classes_are_listed_and_one_is_shown_with_its_options():
    listed = here("keys", "--layers", "con")
    names = [line.split()[0] for line in listed.stdout.splitlines() if line.startswith("  ")]
    assert listed.returncode == 0 and {"conv", "constant"} <= {*names} and all("con" in name.lower() for name in names)
    one = here("keys", "--layers", "conv").stdout
    assert "filter_size" in one and "needed" in one and "and of every layer:" in one, "a class shows its options"
    refused = here("keys", "--layers", "kenlm").stdout
    assert "refused: it scores strings" in refused and "instead: train the language model" in refused
    told = json.loads(here("keys", "--layers", "transposed_conv", "--json").stdout)
    assert [entry["name"] for entry in told] == ["transposed_conv"] and told[0]["options"]["filter_size"] == "needed"


def test_a_word_that_no_layer_class_has_is_answered_with_the_nearest():
    missing = here("keys", "--layers", "sofmax")
    assert missing.returncode == 1 and "near: softmax" in missing.stdout
