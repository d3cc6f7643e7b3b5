"""Slots: what a model asks for, and what each request comes to.

In come requests, in the order in which the model's function makes them, with what `ties=`, `share=`, declarations and
`stages=` say (`sources`, `stage_rules`). `link` finds every borrower's owner and `staging` every slot's stages, both checked.
Out comes the `Plan`, which holds no array and no reference to a run.
"""
