"""The keys of configs, in three classes: done; known and without meaning here; known and not done.

A key that is not done is refused, as a training without it would not be what the config means. The table is also the page of all keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

from tenure.core.errors import nearest
from tenure.training.config.config import Config
from tenure.training.config.kinds import check_kind, plain, read
from tenure.training.errors import ConfigError

DONE, WITHOUT_MEANING, NOT_DONE = "done", "without meaning here", "not done"


@dataclass(frozen=True)
class Key:
    """One key.

    Attributes:
      name: as configs write it.
      state: one of the three classes.
      group: what it is about.
      says: what it does; of a key that is not done, what to do instead.
    """

    name: str
    state: str
    group: str
    says: str


_TABLE = """
# task
task: what to do: train, eval, search, forward, compute_priors, analyze, initialize_model, cleanup_old_models, nop
behavior_version: how networks are read: 0 as RETURNN always did, 30 the strict one
compile_cache: the folder where compiled programs are kept, by default one in the user's folder for caches; False: none
random_seed: of parameters, dropout and noise
devices: how many devices a batch is spread over, or "all"
use_horovod: True: this process trains alone, and says so
mesh: sizes of the axes of devices, {"data": 2, "model": 4}; batches are spread over "data"
sharding: which dims of which parameters lie along which axis of the mesh, by globs of owners: {"ff*/W": (None, "model")}
mixed_precision: True: training steps compute in bfloat16, "float16": in that, with a scaled loss; parameters, optimizer states and losses stay float32
# model
network: the dictionary of layers
get_network: function (epoch) -> dictionary of layers
get_model: function () -> a model of tn.transform or tenure.haiku, whose function gives the loss of a batch
num_inputs: size of the stream "data"
num_outputs: sizes of streams: {"classes": [dim, 1]}
extern_data: the streams, with shapes and types
target: the default target stream
default_input: the default input stream
model: where checkpoints go, as a prefix of file names
save_interval: so many epochs lie between two checkpoints
save_epoch1_initial_model: True: the network as it is before the first epoch is saved as that of epoch 0
save_every_minutes: inside an epoch, a checkpoint is written after so many minutes
reset_optimizer: True: optimizer states start anew when a training goes on and when the network changes, as RETURNN's do
average_epochs: for tasks other than train: the mean of checkpoints, [18, 19, 20], {"last": 4} or {"best": 4, "measure": "dev_error"}
average_output: where that mean is saved
load: a checkpoint to start from, or to evaluate
load_epoch: the epoch to load
epoch: the epoch to load
start_epoch: the epoch to start with, or "auto"
import_model_train_epoch1: a checkpoint to start the first epoch from
preload_from_files: parts of checkpoints to start from
allow_random_model_init: a task without training may start from random parameters
padding_legacy: whether padding and evaluation change what RETURNN lets them change
reuse_legacy: whether shared parameters are read as RETURNN has them today
# batches
batch_size: padded frames of a batch
packed_batch_size: frames of a batch without padding
max_seqs: sequences of a batch
max_seq_length: longer sequences are left out, in training and of the data set "dev"
min_seq_length: shorter sequences are left out in training
max_pad_size: frames of padding of a batch
max_total_num_seqs: sequences of an epoch
buckets: the shapes that batches are padded to: [{"data": 100, "classes": 20, "rows": 40}, …], or [100, 200], or the number of shapes to make, or "exact"
load_threads: so many sequences are loaded at the same time
load_processes: the sequences of each data set are loaded in so many processes, for data whose loading computes
chunking: sequences are cut: "50:25" is size and step
min_chunk_size: no chunk starts where so few frames are left
chunking_variance: chunks are shorter by a random share
context_window: frames around each frame are added
window: frames around each frame are joined to it
batching: the order of sequences
shuffle_frames_of_nseqs: not used by networks with time
seq_drop: the share of sequences that is left out at random
recurrent_net: False: the frames of all sequences of a batch are in one row, True: each sequence has its own; by default, the former if no layer is recurrent
on_size_limit: "chunk" cuts what is too long for a batch of evaluation
forward_batch_size: batch_size of evaluation, search and forward
batches_in_flight: at most so many batches of evaluation, search and forward are computed at the same time, by default 2 on a CPU with several processors, else 1
# optimizer
optimizer: {"class": "adam", …}
adam: True: Adam
nadam: True: Adam with Nesterov's momentum
adadelta: True: Adadelta
adagrad: True: Adagrad
rmsprop: RMSprop, with this decay
smorms3: True: SMORMS3
adasecant: True: AdaSecant, as RETURNN's Theano backend has it
momentum: of plain gradient descent
momentum2: of the updates of any optimizer, as RETURNN's Theano backend has it
nesterov_momentum: Nesterov's momentum of plain gradient descent
optimizer_epsilon: in the denominator of Adam and its relatives
gradient_clip: no entry of a gradient is greater
gradient_clip_norm: no gradient has a greater norm
gradient_clip_avg_norm: no gradient has a greater norm by its size
gradient_clip_global_norm: all gradients together have no greater norm
gradient_noise: standard deviation of noise on gradients
accum_grad_multiple_step: gradients of so many steps are added up
reset_updater_vars_mod_step: the optimizer's state starts anew after so many steps, and with each epoch
grad_norm_to_clip_to_zero: gradients with a greater norm count as zero
gradient_nan_inf_filter: entries that are no numbers count as zero
decouple_constraints: L2 is a decay of the weights, by 2 · L2 of them in each step
decouple_constraints_factor: is taken and changes nothing, as in RETURNN, which reads it and does not apply it
stop_on_nonfinite_train_score: stop when a score is no number
# learning rate
learning_rate: of the first epoch
learning_rates: of single epochs
min_learning_rate: no decay goes below
learning_rate_control: constant, newbob, newbob_abs, newbob_multi_epoch
learning_rate_control_error_measure: the score that is looked at
learning_rate_control_relative_error_relative_lr: changes count more when the learning rate is small
learning_rate_control_min_num_epochs_per_new_lr: a learning rate is kept for so many epochs
learning_rate_decay: factor of a decay
learning_rate_growth: factor of a growth
newbob_learning_rate_decay: factor of a decay
newbob_learning_rate_growth: factor of a growth
newbob_relative_error_threshold: a change above is a decay
newbob_relative_error_grow_threshold: a change below is a growth
newbob_relative_error_div_by_old: changes are divided by the old score
newbob_error_threshold: a change above is a decay, for newbob_abs
newbob_multi_num_epochs: so many changes are averaged
newbob_multi_update_interval: so many epochs lie between two looks
learning_rate_file: where learning rates and scores are kept
use_learning_rate_control_always: in pretraining too
pretrain_learning_rate: in pretraining
dynamic_learning_rate: within an epoch
use_last_best_model: go back to the best epoch after a bad one
# pretraining
pretrain: "default", or how networks grow
pretrain_construction_algo: from_input or from_output
pretrain_repetitions: so many epochs for each network
pretrain_greedy: from the second network on, only new layers and those with a loss are trained
pretrain_copy_output_layer: whether the output layer is kept
search_train_network_layers: layers that search in training too, with all that they need once more; their losses count
# data
train: the data set to train on
dev: the data set to evaluate on
eval: another data set to evaluate on
eval_datasets: further data sets to evaluate on
forward_data: the data set for forward
cache_size: memory for data
# epochs
num_epochs: train until this epoch
early_stop: end when the best score is so many epochs old; also {"patience", "measure", "min_epochs", "min_improvement"}
log: files of the log
log_verbosity: how much is told, 1 to 5
log_batch_size: tell the size of each batch
report: False: no scores.json, curves.png and report.html beside the checkpoints
use_tensorboard: True: curves for TensorBoard, in tf_log_dir or beside the checkpoints
tf_log_dir: the folder of TensorBoard's files
tensorboard_opts: {"log_every_n_train_steps": 100}
cleanup_old_models: True, or which checkpoints are kept: {"keep_last_n": 2, "keep_best_n": 4, "keep": [1, 5]}
calculate_exp_loss: also tell exp of losses
# search and forward
search_data: the data set to search on
search_output_layer: the layer with the hypotheses, or a list of such layers
search_output_file: where they go
search_output_file_format: txt or py
search_do_eval: False: a search does not look at targets, which need not be there
search_scores: False: WER, CER, BLEU and chrF of a search are not computed
search_scores_file: where they go, as JSON
output_file: where forward writes
forward_output_layer: the layer that is written
forward_use_search: True: the task forward searches, and what it writes is of the hypotheses that it finds
forward_override_hdf_output: True: an output_file that is there is replaced
eval_output_file: where scores go
eval_output_file_per_seq: one line for each sequence
output_per_seq_format: what is told of each sequence: seq_tag, score, error, seq_len, num_frames, pos_score, pos_error
output_per_seq_file_format: txt or py
loss_name: the loss that is written
sil_label_idx: the label of silence, for the task analyze
"""
_WITHOUT_MEANING = """use_tensorflow device backend multiprocessing update_on_device truncation debug_print_layer_output_template debug_mode
    debug_add_check_numerics_on_output debug_add_check_numerics_ops tf_log_memory_usage tf_session_opts
    store_metadata_mod_step debug_grad_summaries patch_atfork log_verbose_version need_data cache window_pad
    debug_runtime_sanity_checks debug_shell_in_runner debug_save_updater_vars debug_dump_whole_tensor
    watch_memory tf_use_xla store_tf_profile use_train_proc_manager interactive mean_normalized_sgd_log description
    on_startup_info use_cache_manager forward_use_search_flag debug_unbroadcast log_batch_info check_unsupported_device
    optimize_move_layers_out sprint_trainer_exec_path sprint_interface_dataset_opts deterministic_train startup_callback
    torch_amp default_batch_norm check_learning_rates load_ignore_missing_vars order hidden_type loss activation dropout
    hidden_sizes gate_factors truncate lreg save_on_exit start_batch
    horovod_dataset_distribution horovod_reduce_type horovod_param_sync_step horovod_param_sync_time_diff horovod_scale_lr
    horovod_avg_grad"""
_NOT_DONE = {
    "torch_distributed": "several devices are the keys 'devices' and 'mesh'",
    "mean_normalized_sgd": "Theano's averages of the inputs of each layer are not kept: use momentum or adam",
    "update_multiple_models": "train one model",
    "update_batch_size": "use batch_size with accum_grad_multiple_step",
    "extra_updates": "write the update as a layer with a state",
    "shuffle_batches": "use batching = 'laplace:.100'",
    "batch_pruning": "leave sequences out with max_seq_length",
    "get_train_step": "write network or get_network",
    "maximize_grad_norm": "add a loss",
    "hyper_param_tuning": "run several trainings",
    "custom_get_net_dict": "write get_network",
    "quick_eval": "use a dev set with fewer sequences, such as with seq_list_filter_file",
}

_OF_EVERY_TASK = (
    "torch_distributed",
    "custom_get_net_dict",
)  # of what is not done; the rest says how to train


def _table() -> dict[str, Key]:
    found, group = {}, ""
    for line in _TABLE.strip().splitlines():
        if line.startswith("# "):
            group = line[2:]
        else:
            name, says = line.split(": ", 1)
            found[name] = Key(name, DONE, group, says)
    for name in _WITHOUT_MEANING.split():
        found[name] = Key(name, WITHOUT_MEANING, "of another time or another backend", "taken, and changes nothing")
    for name, says in _NOT_DONE.items():
        found[name] = Key(name, NOT_DONE, "not done", says)
    return found


KEYS = _table()


def check_keys(config: Config) -> list[str]:
    """Looks at the keys that a config sets; returns those that nobody reads and that are no near miss of a known one.

    Raises:
      ConfigError: a key is not done, or looks like a slip of the pen.

    >>> check_keys(Config({"batch_size": 100, "my_own": 3}))
    ['my_own']
    >>> check_keys(Config({"batchsize": 100}))
    Traceback (most recent call last):
    tenure.training.errors.ConfigError: the config sets 'batchsize', which is no key; 'batch_size' is
    ...
    """
    for error in wrong_keys(config).values():
        raise error
    return [name for name in _set_by(config) if name not in KEYS and name not in config.asked]


def wrong_keys(config: Config) -> dict[str, ConfigError]:
    """All keys of a config that are wrong, with what is wrong: of another kind, not done, or a slip of the pen.

    >>> list(wrong_keys(Config({"batchsize": 100, "num_epochs": "three", "learning_rate": 0.1})))
    ['batchsize', 'num_epochs']
    """
    found = {}
    for name in _set_by(config):
        try:
            _check_key(config, name)
        except ConfigError as error:
            found[name] = error
    return found


def _check_key(config: Config, name: str) -> None:
    key = KEYS.get(name)
    check_kind(name, _value(config, name))
    matters = name in _OF_EVERY_TASK or (config.opt_typed_value("task") or "train") == "train"
    if key is not None and key.state == NOT_DONE and matters and _says_something(config, name):
        raise ConfigError(f"the config sets {name!r}, which is not done here", ways=[key.says, f"remove {name!r}"])
    if key is None and name not in config.asked and (near := _near_miss(name)):
        raise ConfigError(
            f"the config sets {name!r}, which is no key; {near!r} is",
            ways=[f"write {near!r}", f"a name that nobody takes for a key, such as {'_' + name!r}"],
        )


def _value(config: Config, name: str) -> Any:
    """The value of a key as the engine takes it; None for several texts."""
    if name in config.typed:
        return plain(name, config.typed[name])
    found = config.texts[name]
    return read(name, found[0]) if len(found) == 1 else None


def _set_by(config: Config) -> Iterable[str]:
    for name in (*config.typed, *config.texts):
        value = config.typed.get(name)
        if not name.startswith("_") and name != "config" and not isinstance(value, ModuleType | FunctionType | type):
            yield name


def _says_something(config: Config, name: str) -> bool:
    return config.opt_typed_value(name) not in (None, False, 0, "", [], {}, "false", "0")


def _near_miss(name: str) -> str | None:
    """The known key that a name differs from by little: letters that are missing, swapped, or too many."""
    plain = _plain(name)
    for known in KEYS:
        if _plain(known) == plain:
            return known
    near = nearest(name, KEYS, 1)
    return near[0] if near and len(name) >= 6 and _close(name, near[0]) else None


def _plain(name: str) -> str:
    return re.sub("_", "", name.lower()).rstrip("s")


def _close(a: str, b: str) -> bool:
    """At most one letter too many, missing or changed, or two neighbours swapped."""
    if abs(len(a) - len(b)) > 1:
        return False
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    tails = ((a[start + 1 :], b[start:]), (a[start:], b[start + 1 :]), (a[start + 1 :], b[start + 1 :]))
    swapped = a[start : start + 2] == b[start : start + 2][::-1] and a[start + 2 :] == b[start + 2 :]
    return swapped or any(x == y for x, y in tails)
