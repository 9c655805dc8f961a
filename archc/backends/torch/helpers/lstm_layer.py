import torch
from torch import Tensor, nn


class LSTMLayer(nn.LSTM):
    """`nn.LSTM` that gives its outputs alone: (batch, length, units).

    Without `return_sequences` the last one of each direction: (batch, units). A second
    bias of each gate stays zero: it is added to the first.
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
        for name, bias in list(self.named_parameters()):
            if name.startswith("bias_hh"):
                delattr(self, name)
                self.register_buffer(name, torch.zeros_like(bias), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        outputs, (states, _) = super().forward(x)
        if self.return_sequences:
            return outputs
        directions = 2 if self.bidirectional else 1
        # of layers * directions, batch, units
        return states[-directions:].transpose(0, 1).flatten(1)
