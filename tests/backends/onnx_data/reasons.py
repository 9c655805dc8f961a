"""Why archc cannot say what some cases do, and which these are."""

from __future__ import annotations

from enum import Enum


class Reason(Enum):
    """What a case asks for."""

    # These two send a translation from a batch to a single sample and back.
    ALONG_BATCH = "it works along the batch"
    HAS_BATCH = "it has a batch"

    # Tensors
    NO_FLOATS = "the numbers are not floating-point ones"
    HALF = "the numbers are rounded to float16"
    EMPTY = "a tensor has no elements"
    RANK = "a sample has no axis, or more than four"
    COMPUTED_WEIGHT = "a weight is computed by the network"
    WEIGHT_AXES = "a weight has more than one axis, and archc has one a channel"
    EMBEDDING = "archc has no embedding yet"

    # Products
    GROUPED_TRANSPOSE = "Keras has no transposed convolution in groups: its backend refuses"
    BATCH_SECOND = "the batch is the second axis"
    BIAS_OF_SAMPLE = "each sample has a bias of its own"
    PRODUCT_OF_VALUES = "it multiplies matrices of the batch, not each by one weight"

    # Pools
    DILATED_POOL = "Keras has no pools with dilation, so archc has none"
    PARTIAL_REDUCTION = "archc reduces space as a whole, and never the channels"

    # Norms and activations
    TRAINING = "outputs are those of evaluation; verify compares a training step"
    RANDOM = "what is dropped is random"
    OTHER_SELU = "selu has the published constants alone"
    OTHER_HARD_SIGMOID = "hard_sigmoid is relu6(x + 3) / 6 alone, as PyTorch and Keras have it"
    OTHER_SILU = "silu is x * sigmoid(x) alone"

    # Shapes
    PAD_MODE = "pad has constants and reflections alone, as Keras has"
    PAD_CHANNELS = "pad and crop are of space alone"
    SELECT_MATRIX = "select takes one list of indices"
    PARTIAL_FACTOR = "upsample has whole factors alone"
    CUBIC = "upsample is nearest or linear"
    ALIGNED_CORNERS = "upsample has its sample points at element centres"
    UNEVEN_NEAREST = "upsample repeats every element as often"
    ONE_INPUT = "a merge has two inputs or more"


class NotApplicableError(Exception):
    """archc cannot say what a case does."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


NOT_APPLICABLE: dict[Reason, tuple[str, ...]] = {
    Reason.NO_FLOATS: (
        "node/add_*int*",
        "node/max_*int[0-9]*",
        "node/maxpool_2d_uint8",
        "node/mul_*int*",
        "node/reduce_max*_bool*",
        "node/reflect_pad",
        "pytorch-operator/non_float_params",
    ),
    Reason.HALF: ("node/max_float16", "node/swiglu_float16_expanded"),
    Reason.EMPTY: (
        "node/reduce_max_empty_set",
        "node/reshape_allowzero_reordered",
        "node/slice_start_out_of_bounds",
        "node/split_zero_size_splits_*",
    ),
    Reason.RANK: (
        "node/matmul_1d_*",
        "node/unsqueeze_three_axes",
        "node/unsqueeze_unsorted_axes",
        "pytorch-converted/PixelShuffle",
        "pytorch-operator/permute2",
    ),
    Reason.COMPUTED_WEIGHT: ("pytorch-operator/addmm",),
    Reason.WEIGHT_AXES: ("node/prelu_example",),
    Reason.EMBEDDING: ("pytorch-converted/Embedding*",),
    Reason.GROUPED_TRANSPOSE: ("node/convtranspose_group_2*",),
    Reason.BATCH_SECOND: ("node/gemm_all_attributes", "node/gemm_transposeA"),
    Reason.BIAS_OF_SAMPLE: ("node/gemm_default_matrix_bias",),
    Reason.PRODUCT_OF_VALUES: ("node/matmul_3d", "node/matmul_4d*", "node/matmul_bcast"),
    Reason.DILATED_POOL: (
        "node/averagepool_*_dilations*",
        "node/maxpool_*_dilations*",
        "pytorch-converted/MaxPool*_dilation",
    ),
    Reason.PARTIAL_REDUCTION: ("pytorch-operator/reduced_mean*",),
    Reason.TRAINING: ("node/batchnorm_*_training_mode",),
    Reason.RANDOM: (
        "node/training_dropout",
        "node/training_dropout_default*",
        "node/training_dropout_mask",
    ),
    Reason.OTHER_SELU: ("node/selu", "node/selu_example"),
    Reason.OTHER_HARD_SIGMOID: (
        "node/hardsigmoid",
        "node/hardsigmoid_default",
        "node/hardsigmoid_example",
    ),
    Reason.OTHER_SILU: ("node/swiglu_alpha_expanded",),
    Reason.PAD_MODE: ("node/edge_pad", "node/wrap_pad", "pytorch-converted/ReplicationPad2d"),
    Reason.PAD_CHANNELS: ("node/center_crop_pad_pad",),
    Reason.SELECT_MATRIX: ("node/gather_2d_indices",),
    Reason.PARTIAL_FACTOR: (
        "node/resize_downsample_*",
        "node/resize_tf_crop_and_resize*",
        "node/resize_upsample_scales_linear_half_pixel_symmetric",
        "node/resize_upsample_sizes_cubic",
        "node/resize_upsample_sizes_nearest",
        "node/resize_upsample_sizes_nearest_axes_*",
        "node/resize_upsample_sizes_nearest_not_larger",
    ),
    Reason.CUBIC: ("node/resize_upsample_scales_cubic*",),
    Reason.ALIGNED_CORNERS: ("node/resize_upsample_scales_linear_align_corners",),
    Reason.UNEVEN_NEAREST: (
        "node/resize_upsample_sizes_nearest_ceil_half_pixel",
        "node/resize_upsample_sizes_nearest_floor_align_corners",
        "node/resize_upsample_sizes_nearest_round_prefer_ceil_asymmetric",
    ),
    Reason.ONE_INPUT: ("node/max_one_input", "node/mean_one_input", "node/sum_one_input"),
}
"""The cases that are not run, by patterns of their names: those of the wheel that constraints.txt
names."""
