"""Trains a dictionary with RETURNN on TensorFlow, or searches with it; told what to do by lines of JSON.

Runs in an environment of its own.
"""

from __future__ import annotations

from typing import Any

from benchmarks.returnn import networks, worker
from benchmarks.returnn.networks import Problem


def prepare(name: str, problem: Problem) -> worker.Job:
    """The network, its values, and what RETURNN's trainer runs in each step: losses, errors, and the updates."""
    import tensorflow as tf

    tf.compat.v1.disable_eager_execution()
    from returnn.config import Config
    from returnn.tf.network import TFNetwork
    from returnn.util.basic import BehaviorVersion

    BehaviorVersion.set_min_behavior_version(problem.version)
    config = Config({"optimizer": {"class": "adam"}, "debug_print_layer_output_template": False})
    extern = _inputs(problem)
    net = TFNetwork(config=config, extern_data=extern, train_flag=not problem.search, search_flag=problem.search)
    net.construct_from_dict(problem.net)
    session = tf.compat.v1.Session()
    if problem.search:
        fetched = net.layers["decision"].output.placeholder
        session.run(tf.compat.v1.global_variables_initializer())
    else:
        fetched = _training(config, net, session)
    variables = net.get_params_list()
    given = networks.values({v.op.name: tuple(v.shape.as_list()) for v in variables})
    for v in variables:
        v.load(given[v.op.name], session)
    feed = {}
    for key, x in extern.data.items():
        feed |= {x.placeholder: problem.batch[key], x.get_sequence_lengths(): problem.batch[f"{key}:lengths"]}

    def run() -> Any:
        found = session.run(fetched, feed)
        return found.tolist() if problem.search else float(found["loss"])

    return worker.Job(run)


def _inputs(problem: Problem) -> Any:
    """The declared inputs, with placeholders."""
    from returnn.config import Config
    from returnn.tensor import Dim, batch_dim
    from returnn.tf.network import ExternData

    time, steps = (Dim(None, name=name, kind=Dim.Types.Spatial) for name in ("time", "steps"))
    features, labels = (
        Dim(n, name=name, kind=Dim.Types.Feature, auto_generated=True)
        for n, name in ((networks.FEATURES, "features"), (problem.labels, "labels"))
    )
    described = {
        "data": {"dim_tags": [batch_dim, time, features]},
        "classes": {
            "dim_tags": [batch_dim, time if problem.aligned else steps],
            "sparse_dim": labels,
            "dtype": "int32",
            "available_for_inference": False,
        },
    }
    extern = ExternData()
    extern.init_from_config(Config({"extern_data": described}), auto_create_placeholders=True)
    return extern


def _training(config: Any, net: Any, session: Any) -> dict[str, Any]:
    import tensorflow as tf
    from returnn.tf.updater import Updater

    updater = Updater(config=config, network=net)
    updater.set_trainable_vars(net.get_trainable_params())
    fetched = {**net.get_fetches_dict(config, should_train=True), "optim_op": updater.get_optim_op()}
    session.run(tf.compat.v1.global_variables_initializer())
    net.set_global_train_step(0, session)
    updater.init_optimizer_vars(session)
    updater.set_learning_rate(networks.RATE, session)
    return fetched


if __name__ == "__main__":
    worker.serve(prepare)
