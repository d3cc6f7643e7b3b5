"""The trained translator learns another language with an adapter on the matrix that three layers share."""
