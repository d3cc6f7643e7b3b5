"""Small seeded samples of the commands under `tests/stress`."""

import pytest

from tests.stress import damage, full_disk, kills, sharded_kills


def quiet(text):
    pass


@pytest.mark.slow
def test_killed_while_saving():
    kills.run(6, seed=1, say=quiet)


@pytest.mark.slow
def test_killed_while_several_processes_save_together():
    sharded_kills.run(3, seed=1, say=quiet)


def test_damaged_files():
    damage.run(65, seed=1, say=quiet)


def test_full_disk():
    full_disk.run(6, seed=1, say=quiet)
