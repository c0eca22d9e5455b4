"""Training on one GPU: patches drawn there, steps replayed from a graph."""
