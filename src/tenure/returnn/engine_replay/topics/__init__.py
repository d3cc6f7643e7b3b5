"""How each topic is checked: one module per topic, with a function `check(case)`."""
