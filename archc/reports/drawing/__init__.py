"""How a network is drawn: what is parallel and what repeats, then where everything stands."""
