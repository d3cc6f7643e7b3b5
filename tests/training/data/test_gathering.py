import numpy as np
import pytest

from tenure.training.data import gathering
from tenure.training.errors import DataSetError


def written(path, text):
    path.write_text(text)
    return str(path)


def test_lines_of_a_text_are_sequences_of_labels(tmp_path):
    found = gathering.text_stream(written(tmp_path / "a.txt", "b a\nb\n"), "words")
    assert (found.count, found.tags, found.stream.dim) == (2, None, 3)
    assert [found.load(i).tolist() for i in range(2)] == [[0, 1], [0]]


def test_first_words_can_be_names(tmp_path):
    found = gathering.text_stream(written(tmp_path / "a.txt", "one b a\ntwo\n"), "characters", tagged=True)
    assert found.tags == ["one", "two"] and [len(found.load(i)) for i in range(2)] == [3, 0]
    with pytest.raises(DataSetError, match="line 2 .* has no name"):
        gathering.text_stream(written(tmp_path / "b.txt", "one a\n\n"), "bytes", tagged=True)
    with pytest.raises(DataSetError, match="line 3 .* names the sequence 'one', as line 1 does"):
        gathering.text_stream(written(tmp_path / "c.txt", "one a\ntwo b\none c\n"), "bytes", tagged=True)


def test_names_at_the_beginning_of_lines_are_not_taken_as_text(tmp_path):
    names = ["one", "two"]
    with pytest.raises(DataSetError, match="begins with the name of a sequence, such as 'two'(.|\n)*--tagged"):
        gathering.check_untagged(written(tmp_path / "a.txt", "two b a\none\n"), names)
    gathering.check_untagged(written(tmp_path / "b.txt", "two b a\nthree c\n"), names)
    gathering.check_untagged(
        written(tmp_path / "c.txt", "two\none\n"), names
    )  # words that are spoken, and names of files


def test_a_vocabulary_that_there_is_not():
    with pytest.raises(DataSetError, match="no vocabulary 'wrods'(.|\n)*words"):
        gathering.vocabulary_of("wrods", [])


def test_arrays_come_in_natural_order_of_their_names(tmp_path):
    np.savez(tmp_path / "x.npz", s10=np.ones((4, 2)), s9=np.zeros((3, 2)))
    found = gathering.array_stream(str(tmp_path / "x.npz"))
    assert found.tags == ["s9", "s10"] and found.load(1).shape == (4, 2) and found.stream.dim == 2


def test_what_is_no_file_of_arrays(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.ones(400))
    cut = (tmp_path / "x.npz").read_bytes()[:-40]
    (tmp_path / "cut.npz").write_bytes(cut)
    np.save(tmp_path / "one.npy", np.ones(3))
    np.savez(tmp_path / "none.npz")
    for name, message in (("cut.npz", "cut off"), ("one.npy", "a single array"), ("none.npz", "has no arrays")):
        with pytest.raises(DataSetError, match=message):
            gathering.array_stream(str(tmp_path / name))


def test_streams_are_joined_by_names_where_both_have_them(tmp_path):
    text = gathering.text_stream(written(tmp_path / "a.txt", "b x\na yy\n"), "bytes", tagged=True)
    np.savez(tmp_path / "x.npz", a=np.full(1, 1.0), b=np.full(1, 2.0))
    arrays = gathering.array_stream(str(tmp_path / "x.npz"))
    found = {tag: (len(data["text"]), data["x"][0]) for tag, data in gathering.joined({"text": text, "x": arrays})}
    assert found == {"b": (1, 2.0), "a": (2, 1.0)}


def test_streams_without_names_are_joined_by_places(tmp_path):
    text = gathering.text_stream(written(tmp_path / "a.txt", "x\nyy\n"), "bytes")
    short = gathering.text_stream(written(tmp_path / "b.txt", "x\n"), "bytes")
    assert [tag for tag, _ in gathering.joined({"a": text})] == ["seq-0", "seq-1"]
    with pytest.raises(DataSetError, match="has 1 sequences, and the others have 2"):
        list(gathering.joined({"a": text, "b": short}))


def test_a_sequence_that_one_stream_lacks(tmp_path):
    text = gathering.text_stream(written(tmp_path / "a.txt", "one x\ntwo yy\n"), "bytes", tagged=True)
    other = gathering.text_stream(written(tmp_path / "b.txt", "one x\ntow yy\n"), "bytes", tagged=True)
    with pytest.raises(DataSetError, match="no sequence 'two'(.|\n)*tow"):
        list(gathering.joined({"a": text, "b": other}))


def test_a_folder_without_audio(tmp_path):
    with pytest.raises(DataSetError, match="no audio files"):
        gathering.audio_stream(str(tmp_path), {"num_feature_filters": 4})
