"""Reports: each form a pure function of a costed graph."""
