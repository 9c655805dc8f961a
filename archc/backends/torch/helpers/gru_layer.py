from torch import Tensor, nn


class GRULayer(nn.GRU):
    """`nn.GRU` that gives its outputs alone: (batch, length, units).

    Without `return_sequences` the last one of each direction: (batch, units).
    """

    def __init__(
        self,
        features: int,
        units: int,
        *,
        layers: int = 1,
        dropout: float = 0.0,
        bidirectional: bool = False,
        return_sequences: bool = False,
    ) -> None:
        super().__init__(
            features,
            units,
            num_layers=layers,
            batch_first=True,
            dropout=dropout,
            bidirectional=bidirectional,
        )
        self.return_sequences = return_sequences

    def forward(self, x: Tensor) -> Tensor:
        outputs, states = super().forward(x)
        if self.return_sequences:
            return outputs
        directions = 2 if self.bidirectional else 1
        # of layers * directions, batch, units
        return states[-directions:].transpose(0, 1).flatten(1)
