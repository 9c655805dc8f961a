"""A package from outside: an op with a weight, lowered on two backends, and a backend."""
