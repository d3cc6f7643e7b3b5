"""Trains a dictionary with RETURNN on TensorFlow; told what to do by lines of JSON. Runs in an environment of its own."""

from __future__ import annotations

from benchmarks.returnn import networks, worker


def prepare(name: str, size: networks.Size) -> worker.Job:
    """The network, its values, and what RETURNN's trainer runs in each step: losses, errors, and the updates."""
    import tensorflow as tf

    tf.compat.v1.disable_eager_execution()
    from returnn.config import Config
    from returnn.tensor import Dim, Tensor, batch_dim
    from returnn.tf.network import ExternData, TFNetwork
    from returnn.tf.updater import Updater
    from returnn.util.basic import BehaviorVersion

    BehaviorVersion.set_min_behavior_version(20)
    placeholder = tf.compat.v1.placeholder
    lengths = Tensor("lengths", dim_tags=[batch_dim], dtype="int32", placeholder=placeholder(tf.int32, (None,)))
    time = Dim(lengths, name="time", kind=Dim.Types.Spatial)
    features, labels = (
        Dim(n, name=name, kind=Dim.Types.Feature, auto_generated=True)
        for n, name in ((networks.FEATURES, "features"), (size.labels, "labels"))
    )
    data = Tensor(
        "data",
        dim_tags=[batch_dim, time, features],
        placeholder=placeholder(tf.float32, (None, None, networks.FEATURES)),
    )
    classes = Tensor(
        "classes",
        dim_tags=[batch_dim, time],
        dtype="int32",
        sparse_dim=labels,
        placeholder=placeholder(tf.int32, (None, None)),
        available_for_inference=False,
    )
    extern = ExternData()
    extern.register_data(data)
    extern.register_data(classes)
    extern.init_batch_info()
    options = {"optimizer": {"class": "adam"}, "debug_print_layer_output_template": False}
    config = Config(options)
    net = TFNetwork(config=config, extern_data=extern, train_flag=True)
    net.construct_from_dict(networks.NETWORKS[name](size))
    updater = Updater(config=config, network=net)
    updater.set_trainable_vars(net.get_trainable_params())
    fetched = {**net.get_fetches_dict(config, should_train=True), "optim_op": updater.get_optim_op()}
    session = tf.compat.v1.Session()
    variables = net.get_params_list()
    session.run(tf.compat.v1.global_variables_initializer())
    net.set_global_train_step(0, session)
    updater.init_optimizer_vars(session)
    updater.set_learning_rate(networks.RATE, session)
    given = networks.values({v.op.name: tuple(v.shape.as_list()) for v in variables})
    for v in variables:
        v.load(given[v.op.name], session)
    x, y, n = networks.batch(size)
    feed = {data.placeholder: x, classes.placeholder: y, lengths.placeholder: n}

    def run() -> float:
        return float(session.run(fetched, feed)["loss"])

    return worker.Job(run)


if __name__ == "__main__":
    worker.serve(prepare)
