"""English to German with one matrix for both embeddings and the output projection."""
