"""The weights of a network: their canonical form, and where the emitted networks keep them."""
