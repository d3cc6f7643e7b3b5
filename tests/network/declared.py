"""Dims of a run, and the values of one tensor over them."""

import numpy as np

from tenure.network.dims import batch_dim, feature_dim, spatial_dim

BATCH, TIME, FEATURE = batch_dim(), spatial_dim("time"), feature_dim(4, "feature")
LENGTHS = np.array([5, 2])
DATA = np.random.RandomState(0).randn(2, 5, 4).astype("float32")
