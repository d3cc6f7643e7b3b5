import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AbstractMesh, AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from tenure.functional import explicit_mesh

MESH = AbstractMesh((2, 2), ("data", "model"), axis_types=(AxisType.Explicit, AxisType.Explicit))


def spread(shape, *spec, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(shape, dtype, sharding=NamedSharding(MESH, P(*spec)))


@pytest.fixture
def on_mesh():
    with jax.sharding.use_abstract_mesh(MESH):
        yield


def lies(function, *arrays):
    return tuple(jax.eval_shape(function, *arrays).sharding.spec)


def test_without_a_mesh_values_are_the_plain_ones():
    table, ids = jnp.arange(12.0).reshape(6, 2), jnp.asarray([[1, 3], [5, 0]])
    assert not explicit_mesh.explicit()
    np.testing.assert_array_equal(explicit_mesh.rows_of(table, ids), table[ids])
    np.testing.assert_array_equal(explicit_mesh.rows_of(table, jnp.asarray([7]), mode="clip"), table[5:])
    np.testing.assert_array_equal(explicit_mesh.summed_over_batch(table.T, table), table.T @ table)
    np.testing.assert_array_equal(explicit_mesh.reshaped(table, (6, 2, 1), kept=1), table[..., None])
    np.testing.assert_array_equal(explicit_mesh.left_to_xla(jnp.add, table, table), 2 * table)
    assert explicit_mesh.batched_like(table, ids, axis=0) is table


@pytest.mark.usefixtures("on_mesh")
class TestOnMesh:
    def test_spec_has_an_entry_for_each_axis(self):
        found = []
        jax.eval_shape(lambda x: found.append(explicit_mesh.spec_of(x)), spread((4, 6, 8), None, "model"))
        assert explicit_mesh.explicit() and found == [(None, "model", None)]

    @pytest.mark.parametrize(
        ("of_table", "of_ids", "wanted"),
        [
            ((None, "model"), ("data",), ("data", None, "model")),
            (("model",), ("data",), ("data", None, None)),
            ((None, "data"), ("data",), ("data", None, None)),  # a mesh axis can be used once only
            ((None, "data"), (), (None, None, "data")),
        ],
    )
    def test_rows_lie_as_ids_and_the_tables_dimensions_do(self, of_table, of_ids, wanted):
        table, ids = spread((8, 4), *of_table), spread((2, 6), *of_ids, dtype=jnp.int32)
        assert lies(explicit_mesh.rows_of, table, ids) == wanted

    def test_a_sum_over_the_batch_is_whole(self):
        a, b = spread((3, 4), None, "data"), spread((4, 5), "data")
        assert not any(lies(explicit_mesh.summed_over_batch, a, b))

    def test_reshaped_keeps_how_the_first_axes_lie(self):
        assert lies(lambda x: explicit_mesh.reshaped(x, (4, 2, 3), kept=1), spread((4, 6), "data")) == (
            "data",
            None,
            None,
        )

    def test_a_state_is_spread_like_the_batch(self):
        def state_like(inputs):
            return explicit_mesh.batched_like(jnp.zeros((4, 8)), inputs, axis=1)

        assert lies(state_like, spread((6, 4, 3), None, "data")) == ("data", None)
        assert not any(lies(state_like, spread((6, 2, 3), None, "data")))  # another size: no batch

    def test_what_is_left_to_xla_lies_as_the_batch(self):
        def swapped(x):
            return explicit_mesh.left_to_xla(lambda a: a.T, x, batch=0, out=1)

        assert lies(swapped, spread((4, 6), "data")) == (None, "data")
