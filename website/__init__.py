"""What the site has beside the pages under `docs/`: the reference, made from the code."""
