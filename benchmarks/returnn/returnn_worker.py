"""Trains a dictionary with RETURNN on TensorFlow; told what to do by lines of JSON. Runs in an environment of its own."""

from __future__ import annotations

from benchmarks.returnn import networks, worker

RATE = 1e-5


def prepare(name: str, size: networks.Size) -> worker.Job:
    """The network, its values, and its training operation."""
    import tensorflow as tf

    tf.compat.v1.disable_eager_execution()
    from returnn.config import Config
    from returnn.tensor import Dim, Tensor, batch_dim
    from returnn.tf.network import ExternData, TFNetwork
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
    net = TFNetwork(config=Config({"debug_print_layer_output_template": False}), extern_data=extern, train_flag=True)
    net.construct_from_dict(networks.NETWORKS[name](size))
    loss = net.get_objective()
    train = tf.compat.v1.train.GradientDescentOptimizer(RATE).minimize(loss)
    session = tf.compat.v1.Session()
    variables = net.get_params_list()
    session.run(tf.compat.v1.global_variables_initializer())
    given = networks.values({v.op.name: tuple(v.shape.as_list()) for v in variables})
    for v in variables:
        v.load(given[v.op.name], session)
    x, y, n = networks.batch(size)
    feed = {data.placeholder: x, classes.placeholder: y, lengths.placeholder: n}

    def run() -> float:
        return float(session.run([train, loss], feed)[1])

    return worker.Job(run)


if __name__ == "__main__":
    worker.serve(prepare)
