"""Reports: each format is a pure function of a costed graph."""
