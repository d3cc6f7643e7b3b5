"""Options of data sets that come from a config's own keys."""

import pytest

from tenure.training.data.defaults import evaluation_options, training_options

CONFIG = {"chunking": "50:25", "batching": "random", "window": 0, "min_chunk_size": 3, "batch_size": 700}


def test_training_takes_what_is_set():
    assert training_options(CONFIG) == {
        "chunking": "50:25",
        "seq_ordering": "random",
        "min_chunk_size": 3,
        "chunking_variance": 0,
    }


@pytest.mark.parametrize(("more", "chunking"), [({}, "0"), ({"on_size_limit": "chunk"}, "700"), ({"chunking": 1}, "1")])
def test_evaluation_is_over_whole_sequences_by_length(more, chunking):
    found = evaluation_options({**CONFIG, **more})
    assert found["chunking"] == chunking and found["seq_ordering"] == "sorted" and found["shuffle_frames_of_nseqs"] == 0
