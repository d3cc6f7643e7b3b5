"""Configs as they are published: their forms, and what they import."""

import pytest

from tenure.training.config import from_command_line
from tenure.training.config.keys import check_keys
from tenure.training.engine.model import build, extern_data, network_of
from tenure.training.engine.settings import values
from tenure.training.pretraining.plan import Pretraining

BASE = """#!rnn.py
use_tensorflow = True
task = config.value("task", "train")
device = "gpu"; multiprocessing = True; update_on_device = True
num_inputs, num_outputs = 4, {"data": (4, 2), "classes": (3, 1)}
network = {"output": {"class": "softmax", "loss": "ce", "from": "data"}}
batching, batch_size, max_seqs, window, truncation, cache_size = "random", 5000, 40, 1, -1, "0"
model, num_epochs, log, log_verbosity = "net-model/network", 3, "log/crnn.%s.log" % task, 3
gradient_clip, gradient_noise, adam, optimizer_epsilon, learning_rate = 0, 0.1, True, 0.1, 0.001
learning_rate_control, newbob_multi_num_epochs, newbob_multi_update_interval = "newbob_multi_epoch", 3, 1
learning_rate_control_relative_error_relative_lr = True
"""
CONFIGS = {  # name → (files by name, further arguments, what must hold)
    "plain": ({"a.config": BASE}, [], {"batch_size": 5000, "task": "train"}),
    "task on the command line": ({"a.config": BASE}, ["-x", "eval", "-e", "3"], {"task": "eval", "epoch": 3}),
    "values on the command line": (
        {"a.config": BASE + "size = config.int('beam_size', 12)\n"},
        ["++beam_size", "4", "++batch_size", "77", "++learning_rate", "+-1.5"],
        {"size": 4, "batch_size": 77, "learning_rate": -1.5},
    ),
    "two files": (
        {"a.config": BASE, "b.config": "#!rnn.py\nbatch_size = batch_size // 2\nmax_seqs = 10\n"},
        [],
        {"batch_size": 2500, "max_seqs": 10},
    ),
    "json with comments": (
        {"a.json": '{ // a comment\n"task": "train", "num_inputs": 4, "num_outputs": 3, "batch_size": 100, // "x"\n'
         '"network": {"output": {"class": "softmax", "loss": "ce", "from": ["data"]}}, "model": "a//b" }'},
        [],
        {"batch_size": 100, "model": "a//b"},
    ),
    "json and lines": (
        {"a.json": '{"network": {"output": {"class": "softmax", "loss": "ce", "from": "data"}}}',
         "b": "num_inputs 4 # inputs\nnum_outputs 3\nbatch_size 200\nchunking 50:25\nmodel net/x\n\n# end\n"},
        [],
        {"batch_size": 200, "chunking": "50:25", "model": "net/x"},
    ),
    "imports of the old names": (
        {"a.config": BASE + "from Pretrain import WrapEpochValue\nfrom TFUtil import where_bc, DimensionTag, Data\nimport TFUtil\n"
         "import tensorflow as tf\nfrom GeneratingDataset import Vocabulary\nfrom Util import cleanup_env_var_path\n"
         "time = DimensionTag(kind=DimensionTag.Types.Spatial, description='time', dimension=None)\n"},
        [],
        {},
    ),
    "imports in functions": (
        {"a.config": BASE + "def later():\n    from returnn.config import get_global_config\n"
         "    from TFUtil import where_bc, DimensionTag\n    import returnn.tf.compat.v1 as tf\n"
         "    import returnn.tf.util.basic as util\n    from returnn.tf.util import data\n"
         "    assert callable(where_bc) and callable(util.where_bc) and callable(tf.reduce_sum) and data.Dim\n"
         "    return get_global_config().int('batch_size', 0)\n"},
        [],
        {"later()": 5000},
    ),
    "pretraining by a function": (
        {"a.config": BASE + "def construct(idx, net_dict):\n    if idx > 1:\n        return None\n"
         "    net_dict['#config'] = {'batch_size': 100}\n"
         "    return net_dict\npretrain = {'repetitions': 2, 'construction_algo': construct, 'copy_param_mode': 'subset'}\n"},
        [],
        {},
    ),
    "epoch values": (
        {"a.config": BASE + "from Pretrain import WrapEpochValue\nnetwork['output']['loss_opts'] = "
         "{'label_smoothing': WrapEpochValue(lambda epoch: 0.1 if epoch > 1 else 0.0)}\n"
         "pretrain = {'construction_algo': lambda idx, net_dict: net_dict if idx < 2 else None}\n"},
        [],
        {},
    ),
    "SpecAugment": (
        {"a.config": BASE + "from TFUtil import where_bc\ndef transform(x, network):\n    import tensorflow as tf\n"
         "    step = network.global_train_step\n    masked = tf.where(tf.greater(x, 0.0), x, tf.zeros_like(x))\n"
         "    return network.cond_on_train(lambda: masked, lambda: x)\n"
         "network = {'mask': {'class': 'eval', 'from': 'data', 'eval': "
         "\"self.network.get_config().typed_value('transform')(source(0), network=self.network)\"},"
         " 'output': {'class': 'softmax', 'loss': 'ce', 'from': 'mask'}}\n"},
        [],
        {},
    ),
    "get_network": (
        {"a.config": BASE + "def get_network(epoch, **kwargs):\n    return network if epoch < 5 else None\n"}, [], {},
    ),
    "learning rates of numpy": (
        {"a.config": BASE + "import numpy\nlearning_rates = list(numpy.linspace(0.0003, 0.001, num=10))\n"},
        [],
        {"len(learning_rates)": 10},
    ),
    "an optimizer as a dictionary": (
        {"a.config": BASE + "del adam\noptimizer = {'class': 'nadam', 'epsilon': 1e-8}\n"}, [], {},
    ),
    "extern_data": (
        {"a.config": BASE + "del num_inputs, num_outputs\nextern_data = {'data': {'dim': 4, 'shape': (None, 4)}, "
         "'classes': {'dim': 3, 'sparse': True, 'available_for_inference': False}}\ntarget = 'classes'\n"},
        [],
        {},
    ),
    "files that a command finds": (
        {"a.config": BASE + "from subprocess import check_output\nfound = check_output(['echo', 'a.hdf']).decode().split()\n"
         "train = {'class': 'HDFDataset', 'files': found}\n"},
        [],
        {"found": ["a.hdf"]},
    ),
    "classes and lambdas": (
        {"a.config": BASE + "import os\nclass Settings:\n    size = 3\n    def __init__(self):\n        self.dim = Settings.size\n"
         "dims = [Settings().dim for _ in range(2)]\ncorpus_file = lambda: os.path.join('a', 'b')\n"},
        [],
        {"dims": [3, 3], "corpus_file()": "a/b"},
    ),
    "a dictionary of updates": (
        {"a.config": BASE + "globals().update({'max_seq_length': {'classes': 75}, 'chunking': '50:25'})\n"},
        [],
        {"max_seq_length": {"classes": 75}, "chunking": "50:25"},
    ),
    "its own file and name": (
        {"a.config": BASE + "import os\nhere = os.path.basename(__file__)\nassert __name__ == '__returnn_config__'\n"},
        [],
        {"here": "a.config"},
    ),
    "a key of its own that is nearly one": (
        {"a.config": BASE + "batch_sizes = [100, 200]\nbatch_size = batch_sizes[1]\n"}, [], {"batch_size": 200},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_a_published_form_loads(name, tmp_path):
    files, arguments, holds = CONFIGS[name]
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    config = from_command_line([*(str(tmp_path / file) for file in files), *arguments])
    check_keys(config)
    given = values(config)
    for expression, expected in holds.items():
        assert eval(expression, dict(given)) == expected, expression
    pretraining = Pretraining.from_config(given)
    for epoch in (1, 3):
        build(given, network_of(given, epoch, pretraining)).plan(train=True)
    assert extern_data(given)["data"]["dim"] == 4
