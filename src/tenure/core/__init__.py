"""The core: what a model's function asks for, who owns it, and how each value is made.

A request for a parameter passes through the rooms in this order: `notation` (paths, references, views and stages as data),
`ledger` (who owns and who borrows, as plain rows), `slots` (requests, and what they come to), `run` (the running function),
`model` (`plan`, `init`, `apply`). A room imports from rooms before it only. Beside them are the errors, the lines of the
program that errors name, random keys, and the two-level dicts that params are.
"""
