"""Haiku's public API on Tenure's core: `import tenure.haiku as hk`."""

from tenure.core.hooks import MethodContext
from tenure.core.module import Module, to_module
from tenure.core.naming import force_name, name_like, transparent
from tenure.core.transform import Transformed, TransformedWithState
from tenure.haiku import config, initializers, nets, ownership
from tenure.haiku.engine.contexts import DO_NOT_STORE, GetterContext, SetterContext
from tenure.haiku.engine.frames import JaxUsageError
from tenure.haiku.engine.jaxing import eval_shape, grad, remat, value_and_grad, vmap
from tenure.haiku.engine.keys import PRNGSequence
from tenure.haiku.engine.loops import cond, fori_loop, map, scan, switch, while_loop
from tenure.haiku.engine.naming import name_scope
from tenure.haiku.engine.public import *  # noqa: F403
from tenure.haiku.engine.transforms import (
    running_init,
    transform,
    transform_with_state,
    with_empty_state,
    without_state,
)
from tenure.haiku.typing import ModuleProtocol, MutableParams, MutableState, Params, State, SupportsCall
from tenure.nn import *  # noqa: F403
