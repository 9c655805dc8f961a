import torch
from torch import Tensor, nn
from torch.nn import functional


class PaddedAvgPool(nn.Module):
    """The mean of the elements of each window that lie inside the map.

    `padding` is the number of elements added at the begin and end of each spatial axis,
    the last axis first; it may be any, while that of `nn.AvgPool2d` is symmetric.
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...],
        padding: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        # Zeros add nothing to a window's sum, and the mean of the ones is the share of
        # the window that lies inside.
        return self.mean(x) / self.mean(torch.ones_like(x[:1, :1]))

    def mean(self, x: Tensor) -> Tensor:
        pools = functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d
        padded = functional.pad(x, self.padding)
        return pools[x.dim() - 3](padded, self.kernel_size, self.stride)
