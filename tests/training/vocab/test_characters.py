"""Characters and bytes as labels."""

from tenure.training.vocab import vocabulary


def test_characters_and_bytes():
    characters = vocabulary({"class": "CharacterTargets", "labels": ["a", " ", "ü", "@"]})
    assert characters.get_seq("a üb") == [0, 1, 2, 3] and characters.get_seq_labels([0, 2]) == "aü"
    utf8 = vocabulary({"class": "Utf8ByteTargets", "seq_postfix": [0]})
    assert utf8.get_seq("aü") == [97, 195, 188, 0] and utf8.get_seq_labels([97, 195, 188]) == "aü"
