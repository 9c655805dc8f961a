from torch import Tensor, nn
from torch.nn import functional


class FrozenBatchNorm3d(nn.BatchNorm3d):
    """Batch normalization by the running statistics, which training leaves alone."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )
