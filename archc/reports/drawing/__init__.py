"""The drawing of a network: its series-parallel structure and repeats, then the layout."""
