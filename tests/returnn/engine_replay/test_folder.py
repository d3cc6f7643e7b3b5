"""Running a case in its topic's folder."""

import os

import pytest

from tenure.returnn.engine_replay.folder import inside


def test_the_folder_is_left_again_also_after_an_error(tmp_path):
    before = os.getcwd()
    with pytest.raises(KeyError), inside(tmp_path):
        assert os.path.samefile(os.getcwd(), tmp_path)
        raise KeyError
    assert os.getcwd() == before
