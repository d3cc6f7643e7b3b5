"""The ledger: for every slot of a model, who owns the parameter, who borrows it, through which views and stages.

In come rows, made from a plan (`tenure.core.slots.plan`) or read from JSON; out come answers (`owner_of`, `count`), rules that
go by owner (masks, labels, shardings), and the ledger as a table, a graph or a page. Rows are plain data and know no slots.
"""
