"""Which class of data sets a config's name means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenure.core.errors import brief, nearest
from tenure.training.data import generated, joined, made_of
from tenure.training.data.base import DataSet
from tenure.training.data.hdf import HDFDataset, NextGenHDFDataset
from tenure.training.data.librispeech import LibriSpeechCorpus
from tenure.training.data.ogg_zip import OggZipDataset
from tenure.training.data.processes import InProcesses
from tenure.training.data.registry import construct, opened, register, split_options
from tenure.training.data.source import SourceDataset
from tenure.training.data.static import StaticDataset
from tenure.training.data.text_corpus import LmDataset, TranslationDataset
from tenure.training.errors import DataSetError

_PLAIN: dict[str, type[DataSet]] = {
    "Task12AXDataset": generated.Task12AX,
    "TaskEpisodicCopyDataset": generated.EpisodicCopy,
    "TaskXmlModelingDataset": generated.XmlModeling,
    "TaskNumberBaseConvertDataset": generated.NumberBaseConvert,
    "CopyTaskDataset": generated.CopyTask,
    "DummyDataset": generated.Dummy,
    "DummyDatasetMultipleSequenceLength": generated.DummyOfLengths,
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
    "ConcatSeqsDataset": made_of.ConcatSeqsDataset,
    "ConcatDataset": made_of.ConcatDataset,
    "MultiEpochDataset": made_of.MultiEpochDataset,
    "VariableDataset": made_of.VariableDataset,
    "AnythingDataset": made_of.AnythingDataset,
}


def _plain(name: str, cls: type[DataSet]) -> None:
    @register(name)
    def make(options: Mapping[str, Any]) -> DataSet:
        return construct(cls, options, name)


for _name, _cls in _PLAIN.items():
    _plain(_name, _cls)


def dataset(options: Any, **defaults: Any) -> DataSet:
    """A data set from its options.

    Args:
      options: a dictionary with "class", the text of one, names of HDF files with commas between, a data set already, or a source:
        an object with len(…) and [i].
      **defaults: options that hold where `options` says nothing.

    Raises:
      DataSetError: the class is not known or cannot be had, an option is none of it, or its files cannot be read.

    >>> dataset("Task12AXDataset:num_seqs=3").count()
    3
    """
    return opened(options, **defaults)


def in_processes(options: Any, count: int, **defaults: Any) -> DataSet:
    """A data set whose sequences are loaded in processes of their own.

    Args:
      options: as for `dataset`.
      count: how many processes.
      **defaults: options that hold where `options` says nothing.

    Raises:
      DataSetError: as for `dataset`; or the options hold what cannot be sent to a process.
    """
    if isinstance(options, DataSet):
        raise DataSetError("a data set that is open already cannot be sent to a process", ways=["give its options"])
    inner = opened(options, **defaults)
    return inner if isinstance(inner, InProcesses) else InProcesses(inner, (dataset, options, defaults), count)


@register("MultiProcDataset")
def _multi_proc(options: Mapping[str, Any]) -> DataSet:
    """RETURNN's: {"class": "MultiProcDataset", "dataset": {…}, "num_workers": 4}; how many sequences wait is bounded anyway."""
    given = dict(options)
    inner, count = given.pop("dataset", None), given.pop("num_workers", None)
    for name in ("buffer_size", "sharding_method"):
        given.pop(name, None)
    if not isinstance(inner, Mapping):
        raise DataSetError(
            f"MultiProcDataset: 'dataset' is {brief(inner)}", ways=["'dataset': {'class': 'OggZipDataset', …}"]
        )
    for key in split_options(given)[1]:
        raise DataSetError(
            f"MultiProcDataset has no option {key!r}", near=nearest(key, ["dataset", "num_workers", "buffer_size"])
        )
    return in_processes(inner, count, **given)


__all__ = ["dataset", "in_processes"]
