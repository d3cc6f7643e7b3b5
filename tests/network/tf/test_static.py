"""What TensorFlow alone can do is refused with a way out."""

import pytest

from tenure.network.tf import tf
from tenure.network.tf.static import UnknownTensorFlowError


@pytest.mark.parametrize("name", ["get_variable", "Variable", "py_func"])
def test_what_tensorflow_alone_can_do_is_refused_with_a_way_out(name):
    with pytest.raises(UnknownTensorFlowError, match=r"(?s)tf.compat.v1.*has no counterpart here.*layer") as error:
        getattr(tf.compat.v1, name)
    assert "write it with the functions" not in str(error.value)
