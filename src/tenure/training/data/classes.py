"""Which class of data sets a config's name means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenure.training.data import generated, joined
from tenure.training.data.base import DataSet
from tenure.training.data.hdf import HDFDataset, NextGenHDFDataset
from tenure.training.data.librispeech import LibriSpeechCorpus
from tenure.training.data.ogg_zip import OggZipDataset
from tenure.training.data.registry import construct, dataset, register
from tenure.training.data.source import SourceDataset
from tenure.training.data.static import StaticDataset
from tenure.training.data.text_corpus import LmDataset, TranslationDataset

_PLAIN: dict[str, type[DataSet]] = {
    "Task12AXDataset": generated.Task12AX,
    "TaskEpisodicCopyDataset": generated.EpisodicCopy,
    "TaskXmlModelingDataset": generated.XmlModeling,
    "TaskNumberBaseConvertDataset": generated.NumberBaseConvert,
    "CopyTaskDataset": generated.CopyTask,
    "DummyDataset": generated.Dummy,
    "DummyDatasetMultipleSequenceLength": generated.Dummy,
    "DummyDatasetMultipleDataKeys": generated.DummyKeys,
    "SourceDataset": SourceDataset,
    "StaticDataset": StaticDataset,
    "HDFDataset": HDFDataset,
    "NextGenHDFDataset": NextGenHDFDataset,
    "OggZipDataset": OggZipDataset,
    "LibriSpeechCorpus": LibriSpeechCorpus,
    "LmDataset": LmDataset,
    "TranslationDataset": TranslationDataset,
    "MetaDataset": joined.MetaDataset,
    "CombinedDataset": joined.CombinedDataset,
    "ConcatSeqsDataset": joined.ConcatSeqsDataset,
    "ConcatDataset": joined.ConcatDataset,
    "MultiEpochDataset": joined.MultiEpochDataset,
    "VariableDataset": joined.VariableDataset,
    "AnythingDataset": joined.AnythingDataset,
}


def _plain(name: str, cls: type[DataSet]) -> None:
    @register(name)
    def make(options: Mapping[str, Any]) -> DataSet:
        return construct(cls, options, name)


for _name, _cls in _PLAIN.items():
    _plain(_name, _cls)

__all__ = ["dataset"]
