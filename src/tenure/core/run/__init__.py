"""A run of a model's function: the frame, and everything that the function may call.

In come a model's sources and, to apply, params, state, a key and the plan. Modules get names, `get_parameter` records a
request (to plan) or answers it (to apply), JAX's transformations thread what the code inside wrote. Out come recorded
requests, or values; and the state after the run.
"""
