"""Audio files of every kind are read."""

import io

import numpy as np
import pytest

from tenure.training.audio.reading import read_audio
from tenure.training.errors import DataSetError
from tests.training.audio.sounds import RATE, tone


def test_files_of_every_kind_are_read():
    soundfile = pytest.importorskip("soundfile")
    for kind, subtype in (("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS")):
        content = io.BytesIO()
        soundfile.write(content, 0.5 * tone(440), RATE, format=kind, subtype=subtype)
        samples, rate = read_audio(content.getvalue(), "x")
        assert rate == RATE and len(samples) == RATE // 2
        assert np.corrcoef(samples, tone(440))[0, 1] > 0.99
    with pytest.raises(DataSetError, match="audio 'x' cannot be read"):
        read_audio(b"no audio", "x")
