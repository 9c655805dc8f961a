"""Valid names in a spec: they become identifiers and attributes in emitted source."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable

PATTERN = "[a-z][a-z0-9_]{0,63}"
STEP_PATTERN = "[A-Za-z][A-Za-z0-9_-]{0,63}"
"""Of names of steps and sections, which are keys in files of weights, too."""
_NAME = re.compile(PATTERN)
_STEP = re.compile(STEP_PATTERN)
_CLASS = re.compile("[A-Z][A-Za-z0-9]{0,63}")

CONSTANTS = frozenset({"true", "false", "null"})
"""Literals of expressions."""

SOFT_KEYWORDS = frozenset({"case", "match", "type"})
"""Words that are keywords in some places, from some version of Python on."""

_BUILTINS = """
abs aiter all anext any ascii bin bool breakpoint bytearray bytes callable chr classmethod
compile complex copyright credits delattr dict dir divmod enumerate eval exec exit filter float
format frozenset getattr globals hasattr hash help hex id input int isinstance issubclass iter
len license list locals map max memoryview min next object oct open ord pow print property quit
range repr reversed round set setattr slice sorted staticmethod str sum super tuple type vars
zip
"""
BUILTINS = frozenset(_BUILTINS.split())
"""Python's built-in functions: shadowing one would break emitted code."""

_MODULE = """
add_module append apply bfloat16 buffers call_super_init children cpu cuda double dump_patches
extend extra_repr forward get_buffer get_extra_state get_parameter get_submodule half insert ipu
load_state_dict modules mtia named_buffers named_children named_modules named_parameters
parameters pop register_backward_hook register_buffer register_forward_hook
register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook
register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module
register_parameter register_state_dict_post_hook register_state_dict_pre_hook requires_grad_
set_extra_state set_submodule share_memory state_dict to to_empty train training xpu zero_grad
"""
MODULE = frozenset(_MODULE.split())
"""Public attributes of torch.nn.Module and nn.Sequential: a submodule of that name would shadow
one (PyTorch silently accepts 17 of them)."""

_MODEL = """
activity_regularizer add_loss add_metric add_variable add_weight autocast build
build_from_config built call call_signature_parameters compile_from_config compiled
compiled_loss compiled_metrics compute_dtype compute_loss compute_mask compute_metrics
compute_output_shape compute_output_spec count_params distribute_reduction_method
distribute_strategy dtype dtype_policy evaluate export fit from_config get_build_config
get_compile_config get_config get_layer get_metrics_result get_quantization_layer_structure
get_state_tree get_weights input_dtype input_spec jit_compile layers load_own_variables
load_weights loss losses make_predict_function make_test_function make_train_function metrics
metrics_names metrics_variables name non_trainable_variables non_trainable_weights output path
predict predict_function predict_on_batch predict_step quantization_mode quantize
quantized_build quantized_call rematerialized_call reset_metrics run_eagerly save
save_own_variables save_weights set_state_tree set_weights stateless_call stateless_compute_loss
steps_per_execution summary supports_jit supports_masking symbolic_call test_function
test_on_batch test_step to_json train_function train_on_batch train_step trainable
trainable_variables trainable_weights unrolled_steps_per_execution variable_dtype variables
weights
"""
FRAMEWORK = MODULE.union(_MODEL.split())
"""Those, and the public attributes of keras.Model and keras.layers.Layer."""

_EMITTED = """
annotations batch build_model functional in_channels in_features inputs keras layers main math
model nn number ops out self tensor torch x
"""
EMITTED = frozenset(_EMITTED.split())
"""Names that emitted source uses itself."""

FLOW = "in"
"""What `from` calls the output of the step before."""

REPETITION = frozenset({"first", "index", "last"})
"""Names defined in expressions within repetitions."""

FUNCTIONS = frozenset({"gelu_tanh", "scaled_tanh"})
"""Functions that emitted source defines itself: an argument of that name would shadow one."""

_CLASSES = """
ChannelLayerNorm ChannelRMSNorm ChannelScale ClassToken CrossAttention DropPath FeaturePReLU
FrozenBatchNorm1d FrozenBatchNorm2d FrozenBatchNorm3d GRULayer GeneralWindowAttention LSTMLayer
MultiHeadAttention OrderedDict PaddedAvgPool PositionEmbedding RadialBasis ScaledTanh
SelfAttention SinusoidalPositions Tensor WindowAttention
"""
CLASSES = frozenset(_CLASSES.split())
"""Classes that emitted source imports or defines itself."""


def name_error(name: str) -> str | None:
    """Why `name` is no valid name of a step, section, block, input or parameter; None if it is."""
    if not _NAME.fullmatch(name):
        return (
            "must be a lower-case letter followed by lower-case letters, digits and underscores, "
            "at most 64 characters"
        )
    if name in CONSTANTS:
        return "is a constant of expressions"
    if keyword.iskeyword(name) or name in SOFT_KEYWORDS:
        return "is a Python keyword"
    return None


def param_error(name: str) -> str | None:
    """Why `name` is no valid parameter, which becomes an argument; None if it is."""
    if name in FUNCTIONS:
        return "is a function that emitted source uses itself"
    return attribute_error(name)


def attribute_name(name: str) -> str:
    """What a step's name is where it must be an identifier: `block1-0` as `block1_0`."""
    return name.replace("-", "_")


def variable_name(name: str) -> str:
    """What the value of a step is called in emitted source: `Mixed_5b` as `mixed_5b`. The names of
    a section or block differ in it."""
    return attribute_name(name).lower()


def step_error(name: str) -> str | None:
    """Why `name` is no valid step name, which becomes an attribute of a PyTorch module, a variable
    and the name of a Keras layer; None if it is. Names that emitted source uses itself hide nothing
    there."""
    if not _STEP.fullmatch(name):
        return "must be a letter followed by letters, digits, `_` and `-`, at most 64 characters"
    if name == "T_destination":
        return "is an attribute of torch.nn.Module"
    if keyword.iskeyword(name):
        return "is a Python keyword"
    word = variable_name(name)
    error = _word_error(word)
    return error if error is None or word == name else f"is `{word}` in variables, which {error}"


def _word_error(word: str) -> str | None:
    """Why a step cannot have a name whose variable is `word`; None if it can."""
    if word in BUILTINS:
        return "is a Python built-in"
    if word in MODULE:
        return "is an attribute of torch.nn.Module"
    if word == "self":
        return "is a name that emitted source uses itself"
    return name_error(word)


def attribute_error(name: str) -> str | None:
    """Why `name` is no valid input or argument of emitted source; None if it is."""
    if name in BUILTINS:
        return "is a Python built-in"
    if name in FRAMEWORK:
        return "is an attribute of torch.nn.Module or keras.Model"
    if name in EMITTED:
        return "is a name that emitted source uses itself"
    if name in REPETITION:
        return "is a variable of repetitions"
    return name_error(name)


def class_error(name: str) -> str | None:
    """Why `name` is no valid name of the emitted class; None if it is."""
    if not _CLASS.fullmatch(name):
        return "must be a capital letter followed by letters and digits, at most 64 characters"
    if name in ("None", "True", "False"):
        return "is a Python keyword"
    if name in CLASSES:
        return "is a class that emitted source uses itself"
    return None


def suggested_name(name: str, check: Callable[[str], str | None]) -> str | None:
    """A hint with a similar valid name; None without one. `check` gives why a name is invalid."""
    plain = re.sub("[^A-Za-z0-9]+", "_", name).strip("_").lower()[:60]
    for close in (plain, f"{plain}_1", camel_case(plain)):
        if check(close) is None:
            return f"for example `{close}`"
    return None


def camel_case(name: str) -> str:
    """`dense_block` as `DenseBlock`."""
    return "".join(part[:1].upper() + part[1:] for part in re.split("[_-]", name))


def new_class(name: str, used: set[str]) -> str:
    """A class name for a section or block: one that is not in `used`, to which it is added."""
    base = candidate = camel_case(name)
    count = 1
    while candidate in used:
        count += 1
        candidate = f"{base}{count}"
    used.add(candidate)
    return candidate
