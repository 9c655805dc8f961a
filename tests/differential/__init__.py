"""Random valid specs, each carried through the whole chain: both networks built, given one set of
weights, and compared layer by layer."""
