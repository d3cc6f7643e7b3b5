"""Audio: reading it, and features of it, with the numbers of librosa 0.11."""
