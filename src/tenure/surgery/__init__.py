"""Surgery on trained models: pure functions from a plan and its params to other ties, stages and params.

`ties` ties and unties slots, `weights` converts between what stages store and plain weights, `merging` takes stages away
and puts them back. What goes in is left as it is; what comes out goes into `tn.transform` and `apply`.
"""
