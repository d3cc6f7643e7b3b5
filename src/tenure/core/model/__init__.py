"""A model: a function of modules as the pure functions `plan`, `init` and `apply`.

In comes the function with its `ties=` and `stages=`; `planning` runs it abstractly, `initial` draws the owners' values,
`transform` puts both together and remembers plans by input shapes. Out come params, state and results.
"""
