"""From a flat network to the text of a spec: branches, blocks, repetitions."""
