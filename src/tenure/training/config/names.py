"""What Tenure gives of the modules that configs import."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from tenure.network.dims import BATCH, FEATURE, SPATIAL, Dim, batch_dim, feature_dim, spatial_dim
from tenure.network.tf import tf
from tenure.network.tf.elementwise import OWN
from tenure.network.tf.names import Namespace
from tenure.network.tf.utilities import UTILITIES
from tenure.training.config.alignments import linear_alignment
from tenure.training.config.config import Config
from tenure.training.config.unavailable import Unavailable
from tenure.training.vocab import CLASSES

_OLD = """TFUtil TFNetwork TFNetworkLayer TFNetworkRecLayer TFNetworkSigProcLayer TFEngine TFNativeOp TFCompat TFUpdater TFHorovod
    Pretrain Util Config Dataset GeneratingDataset LmDataset HDFDataset MetaDataset Log NativeOp Engine Network NetworkDescription
    SprintDataset SprintInterface TranslationDataset LearningRateControl Debug better_exchook returnn_import crnn HyperParamTuning"""
ROOTS = frozenset((*_OLD.split(), "returnn", "tensorflow", "tensorflow_addons"))


# Modules within packages that configs take from their package: `from returnn.tf.util import basic as tf_util`.
_WITHIN = {
    "returnn": "tf config datasets util log pretrain native_op tensor import_",
    "returnn.datasets": "util generating lm hdf meta",
    "returnn.datasets.util": "vocabulary",
    "returnn.tf": "util compat horovod network layers engine updater native_op",
    "returnn.tf.compat": "v1",
    "returnn.tf.layers": "basic rec base signal_processing",
    "returnn.tf.util": "basic data",
    "returnn.util": "basic",
    "tensorflow": "compat python contrib",
    "tensorflow.compat": "v1 v2",
}
MODULES = frozenset(f"{package}.{name}" for package, names in _WITHIN.items() for name in names.split())


@dataclass(frozen=True)
class EpochValue:
    """A value of a network's dictionary that depends on the epoch; `WrapEpochValue` of configs.

    Attributes:
      function: epoch -> value.
    """

    function: Callable[[int], Any]

    def __call__(self, epoch: int) -> Any:
        return self.function(epoch)


class DimensionTag(Dim):
    """A dim with the arguments of RETURNN's older classes: `DimensionTag(kind=…, description=…, dimension=…)`."""

    __slots__ = ()
    Types = SimpleNamespace(Unspecified=None, Batch=BATCH, Spatial=SPATIAL, Time=SPATIAL, Feature=FEATURE, Dim=SPATIAL)

    def __init__(
        self,
        kind: str | None = SPATIAL,
        description: str | None = None,
        dimension: int | None = None,
        *,
        name: str | None = None,
        **options: Any,
    ):
        super().__init__(dimension, name or description or "dim", kind=kind or SPATIAL)


def SpatialDim(description: str = "spatial", dimension: int | None = None, **options: Any) -> Dim:
    """A dim over time or space, by RETURNN's name."""
    return spatial_dim(description, dimension)


def FeatureDim(description: str, dimension: int | None, **options: Any) -> Dim:
    """A dim of features, by RETURNN's name."""
    return feature_dim(dimension, description)


class Data(dict):
    """An entry of `extern_data`, written as RETURNN's class: its options are a dictionary here."""

    def __init__(self, name: str | None = None, **options: Any):
        super().__init__(options)
        self.name = name


def cleanup_env_var_path(name: str, remove: str) -> None:
    """Leaves out a folder from a variable of the environment that lists folders."""
    value = os.environ.get(name)
    if value:
        os.environ[name] = ":".join(part for part in value.split(":") if part and not part.startswith(remove))


def get_login_username() -> str:
    """The name of the user whose process this is; the number where the system has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


class OneProcess:
    """What `TFHorovod.get_ctx` gives: a process that trains alone."""

    def rank(self) -> int:
        """The number of this process."""
        return 0

    def size(self) -> int:
        """How many processes there are."""
        return 1

    local_rank, local_size = rank, size


def rnnt_loss(acts: Any, labels: Any, input_lengths: Any, label_lengths: Any, blank_label: int = 0) -> Any:
    """The transducer's loss [batch] as RETURNN's extension gives it; `acts` [batch, time, labels + 1, classes] are logits."""
    from tenure.functional import transducer_loss

    return transducer_loss(acts, labels, input_lengths, label_lengths, blank=blank_label)


def _tensorflow(module: str) -> dict[str, Any]:
    found: Any = tf
    for part in module.split(".")[1:]:
        found = getattr(found, part) if isinstance(found, Namespace) and part in found else tf
    names = found.names() if isinstance(found, Namespace) else ()
    return {**{name: getattr(found, name) for name in names}, "v1": tf, "v2": tf, "__version__": "2.0"}


_DIMS: Mapping[str, Any] = {
    "Dim": DimensionTag,
    "DimensionTag": DimensionTag,
    "SpatialDim": SpatialDim,
    "FeatureDim": FeatureDim,
    "Data": Data,
    "Tensor": Data,
}
_EVERYWHERE = ("WrapEpochValue", "get_global_config", "cleanup_env_var_path", "get_login_username")


def members(module: str, config: Config) -> dict[str, Any]:
    """The names that Tenure gives of a module, by its full name."""
    last = module.rsplit(".", 1)[-1]
    if module.startswith("tensorflow") or last in ("v1", "v2") or module in ("returnn.tf.compat", "TFCompat"):
        return _tensorflow(module)
    given: dict[str, Any] = {
        "WrapEpochValue": EpochValue,
        "get_global_config": lambda *args, **keywords: config,
        "cleanup_env_var_path": cleanup_env_var_path,
        "get_login_username": get_login_username,
        "PY3": True,
        "BackendEngine": SimpleNamespace(is_tensorflow_selected=lambda: True, is_torch_selected=lambda: False),
        "tf": tf,
        **_DIMS,
        "batch_dim": batch_dim(),
    }
    if last in ("TFUtil", "basic", "util", "data", "returnn", "tf", "tensor"):
        given |= {**OWN, **UTILITIES, "get_rnnt_linear_aligned_output": linear_alignment}
    if last in ("TFHorovod", "horovod"):
        given["get_ctx"] = lambda *args, **keywords: OneProcess() if config.is_true("use_horovod") else None
    if module.startswith("returnn.extern"):
        given["rnnt_loss"] = rnnt_loss
    if last in ("GeneratingDataset", "generating", "vocabulary", "datasets", "LmDataset", "lm"):
        given |= CLASSES
    return given


__all__ = ["ROOTS", "Data", "DimensionTag", "EpochValue", "Unavailable", "members", "rnnt_loss"]
