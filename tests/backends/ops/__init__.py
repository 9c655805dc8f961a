"""One suite of all ops on all backends: a table of cases, and what each op means in NumPy."""
