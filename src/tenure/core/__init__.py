"""The core: slots, references, views, the ledger, and the transforms that keep them."""
