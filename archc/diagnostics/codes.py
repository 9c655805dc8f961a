"""Every error code: what it means, why archc is strict there, and how to fix the error."""

from __future__ import annotations

from typing import NamedTuple


class Explanation(NamedTuple):
    """A code's title, its explanation, and an example: the error, then the same spec corrected."""

    title: str
    text: str
    example: str


CODES: dict[str, Explanation] = {
    "ARC001": Explanation(
        "the file cannot be read",
        "The path names no regular file, or one that may not be read. Folders, devices and pipes\n"
        "are not read; `-` reads standard input.",
        "archc validate spec/lenet5.yaml    # no such file\narchc validate specs/lenet5.yaml",
    ),
    "ARC002": Explanation(
        "an invalid encoding or character",
        "A spec is UTF-8. Characters that do not print are not allowed, escaped or not: text with\n"
        "them looks different from what it is. They are Unicode's categories Cc, Cf, Cs, Co, Zl\n"
        "and Zp, noncharacters, and what is ignorable by default: bidirectional controls,\n"
        "zero-width characters, tags, fillers. Tabs and line ends are allowed, and what ordinary\n"
        "text needs: joiners after letters of scripts that join or stack (Persian, Hindi) and\n"
        "between emoji, and variation selectors of emoji and of Mongolian letters.",
        'title: "LeNet\\u202e5"   # a bidirectional control\ntitle: "LeNet-5"',
    ),
    "ARC003": Explanation(
        "the file is too large",
        "A spec is at most 1 MiB. Use `repeat`, `for` and blocks for repeated layers.",
        "- repeat: 1000\n  layers:\n    - conv: {filters: 8, kernel_size: 3}",
    ),
    "ARC004": Explanation(
        "the file is not YAML",
        "The location is where parsing failed; the cause may be just before it: a bracket that\n"
        "was never closed, wrong indentation, a colon inside unquoted text.",
        "title: LeNet: the first       # a colon\n" + 'title: "LeNet: the first"',
    ),
    "ARC005": Explanation(
        "an anchor or an alias",
        "`&name` and `*name` are not allowed: nested aliases turn a few bytes into gigabytes.\n"
        "Use `params`, `for` and blocks instead.",
        "- conv: &c {filters: 8, kernel_size: 3}\n- conv: *c\n\n"
        "- repeat: 2\n  layers:\n    - conv: {filters: 8, kernel_size: 3}",
    ),
    "ARC006": Explanation(
        "a YAML tag or directive",
        "`!tag`, `!!type`, `%YAML` and `%TAG` are not allowed: a spec holds JSON types only, and\n"
        "none of its values ever becomes a Python object.",
        'title: !!str 5\ntitle: "5"',
    ),
    "ARC007": Explanation(
        "a duplicate key",
        "A key may occur once in a mapping; most YAML readers silently keep the last one.",
        "conv: {filters: 8, kernel_size: 3, filters: 16}\nconv: {filters: 16, kernel_size: 3}",
    ),
    "ARC008": Explanation(
        "nested too deep",
        "Collections nest at most 64 deep. The steps of a block start at the top level again.",
        "- block: stage\n  with: {width: 64}",
    ),
    "ARC009": Explanation(
        "not a single mapping",
        "A file holds one YAML document, whose top level is a mapping of keys to values.",
        "- relu                  # a list\n\narchc: 1\nname: tiny\nlayers: [relu]",
    ),
    "ARC010": Explanation(
        "a number out of range",
        "Whole numbers stay below 2^53 in size, where every JSON reader is exact, and all numbers\n"
        "are finite: no `.inf`, no `.nan`.",
        "dense: 9007199254740992\ndense: 4096",
    ),
    "ARC011": Explanation(
        "a key that is not text",
        "Keys are text. YAML reads `1`, `true` and `null` as other types, and `<<` as a merge.",
        "params: {1: 64}\nparams: {width: 64}",
    ),
    "ARC012": Explanation(
        "the file is not a spec",
        "It has neither the key `archc` nor `layers`. Nothing of its content is shown: the path\n"
        "may be a link, or the `extends` of somebody else, to a file with secrets.",
        "name: tiny\ninput: {features: 4}\n\narchc: 1\nname: tiny\ninput: {features: 4}",
    ),
    "ARC013": Explanation(
        "more errors than are shown",
        "At most 200 errors of a spec are described; the others are counted. Often one mistake,\n"
        "such as a misspelt op in every step, causes all of them.",
        "- rleu    # a thousand times\n- relu",
    ),
    "ARC101": Explanation(
        "an empty feature map",
        "The window is larger than its input, so that an output size would be zero or less. Pad,\n"
        "use a smaller kernel or stride, or start with a larger input.",
        "input: {channels: 1, height: 4, width: 4}\n"
        "layers:\n  - conv: {filters: 8, kernel_size: 5}\n\n"
        "  - conv: {filters: 8, kernel_size: 5, padding: same}",
    ),
    "ARC102": Explanation(
        "a feature map is required",
        "Convolutions, pooling and the like need channels with one to three spatial axes; the\n"
        "input is a vector or a sequence.",
        "- flatten\n- conv: {filters: 8, kernel_size: 3}\n\n"
        "- conv: {filters: 8, kernel_size: 3}\n- flatten",
    ),
    "ARC103": Explanation(
        "a list of the wrong length",
        "A field like `kernel_size` takes one number for all spatial axes, or a list with one for\n"
        "each: two for a 2-D feature map.",
        "conv: {filters: 8, kernel_size: [3, 3, 3]}   # on height and width\n"
        "conv: {filters: 8, kernel_size: [3, 3]}",
    ),
    "ARC104": Explanation(
        "a flat input is required",
        "The op works on vectors or sequences, and the input is a feature map. `flatten` orders\n"
        "the elements by channel, then by row and column.",
        "- max_pool: {kernel_size: 2}\n- dense: 10\n\n"
        "- max_pool: {kernel_size: 2}\n- flatten\n- dense: 10",
    ),
    "ARC105": Explanation(
        "channels that are not divisible",
        "Grouped ops split their channels into groups of equal size.",
        "conv: {filters: 64, kernel_size: 3, groups: 3}\n"
        "conv: {filters: 63, kernel_size: 3, groups: 3}",
    ),
    "ARC106": Explanation(
        "branches of different shapes",
        "`add`, `multiply`, `average` and `maximum` need equal shapes; only an axis of one\n"
        "element of a feature map is spread over the others'. `concat` needs shapes that differ\n"
        "only in channels or features.",
        "- add:\n    - - conv: {filters: 8, kernel_size: 3}\n    - []\n\n"
        "- add:\n    - - conv: {filters: 8, kernel_size: 3, padding: same}\n    - []"
        "   # the input has 8 channels",
    ),
    "ARC107": Explanation(
        "codes whose length differs from the input's",
        "`rbf` compares its input with each row of `codes`, value by value.",
        "- dense: 3\n- rbf: {codes: [[1, -1], [-1, 1]]}\n\n"
        "- dense: 2\n- rbf: {codes: [[1, -1], [-1, 1]]}",
    ),
    "ARC108": Explanation(
        "an invalid combination of axes",
        "`reshape` and `permute` name the axes of their output: channels with spatial axes,\n"
        "features, or tokens with features; `permute` names each axis of its input once.\n"
        "`to_map` names the spatial axes, and `select` takes either channels or tokens.",
        "reshape: {channels: 8, tokens: 4}\nreshape: {channels: 8, height: 2, width: 2}",
    ),
    "ARC109": Explanation(
        "a reshape to a different number of elements",
        "`reshape` keeps the number of elements.",
        "- dense: 100\n- reshape: {channels: 3, height: 6, width: 6}\n\n"
        "- dense: 108\n- reshape: {channels: 3, height: 6, width: 6}",
    ),
    "ARC110": Explanation(
        "an index out of range",
        "`select` takes channels, features or tokens by index, starting from 0.",
        "select: [0, 6]      # of six channels\nselect: [0, 5]",
    ),
    "ARC111": Explanation(
        "too large to be exact",
        "A shape, a parameter count or a MAC count exceeds 2^53, above which JSON readers are not\n"
        "exact. Such a network cannot be built anyway.",
        "input: {channels: 3, height: 900000000, width: 900000000}\n"
        "input: {channels: 3, height: 224, width: 224}",
    ),
    "ARC112": Explanation(
        "token ids where numbers are required",
        "An input with `dtype: int32` holds ids. `embedding` turns each id into a vector.",
        "- dense: 64\n\n- embedding: {vocabulary: 10000, features: 64}\n- dense: 64",
    ),
    "ARC113": Explanation(
        "numbers where token ids are required",
        "`embedding` looks up a vector for each id of an input with `dtype: int32`.",
        "input: {tokens: 128, features: 1}\nlayers: [embedding: {vocabulary: 10000, features: 64}]"
        "\n\n"
        "input: {tokens: 128, dtype: int32}\n"
        "layers: [embedding: {vocabulary: 10000, features: 64}]",
    ),
    "ARC114": Explanation(
        "a reshape that takes channels for positions",
        "`reshape` keeps the elements in their order, channels first, so the tokens it makes of a\n"
        "map are no positions of it. `to_tokens` makes a token of each position, and `to_map` is\n"
        "its reverse. Where the order of the elements is meant, `flatten` first.",
        "- conv: {filters: 768, kernel_size: 16, stride: 16}\n"
        "- reshape: {tokens: 196, features: 768}\n\n"
        "- conv: {filters: 768, kernel_size: 16, stride: 16}\n- to_tokens",
    ),
    "ARC115": Explanation(
        "a field that means nothing here",
        "`causal`, `window` and `rotary` of `attention` are about the positions of one sequence;\n"
        "`from: [queries, memory]` takes keys and values from another. `dropout` of a recurrence\n"
        "is between its layers, and `bias` of a `scale` goes with learned coefficients.",
        "- attention: {heads: 8, causal: true}\n  from: [decoder, encoder]\n\n"
        "- attention: {heads: 8}\n  from: [decoder, encoder]",
    ),
    "ARC201": Explanation(
        "an unknown key",
        "The mapping has no such key; `archc ops` and the schema list the known ones.",
        "conv: {filter: 8, kernel_size: 3}\nconv: {filters: 8, kernel_size: 3}",
    ),
    "ARC202": Explanation(
        "a missing key",
        "A key without a default is missing.",
        "conv: {filters: 8}\nconv: {filters: 8, kernel_size: 3}",
    ),
    "ARC203": Explanation(
        "a value of the wrong type",
        "The message says what is expected. In quotes, text that looks like a number stays text;\n"
        "`yes` and `no` are text: write `true` and `false`.",
        'conv: {filters: "8", kernel_size: 3}\nconv: {filters: 8, kernel_size: 3}',
    ),
    "ARC204": Explanation(
        "an unknown op or step key",
        "A step is the name of an op, or a mapping with one op and step keys such as `name`,\n"
        "`from` and `when`. `archc ops` lists all ops.",
        "- convolution: {filters: 8, kernel_size: 3}\n- conv: {filters: 8, kernel_size: 3}",
    ),
    "ARC205": Explanation(
        "an invalid name",
        "Names become identifiers in the emitted source: lower-case letters, digits and\n"
        "underscores, no Python keyword or built-in, and no attribute of a PyTorch module or a\n"
        "Keras model. Those of steps and sections, which are keys in files of weights, may have\n"
        "capitals and hyphens, too.",
        "- relu:\n  name: forward\n\n- relu:\n  name: first_relu",
    ),
    "ARC206": Explanation(
        "an invalid value of an expression",
        "The expression was evaluated, but its field, axis or repetition does not take the result.",
        "conv: {filters: $(width / 2), kernel_size: 3}    # a fraction\n"
        "conv: {filters: $(width // 2), kernel_size: 3}",
    ),
    "ARC301": Explanation(
        "a malformed expression",
        "Expressions have numbers, text, lists, names, arithmetic, comparisons, `and or not`,\n"
        "`a if c else b`, indexing, `in.AXIS`, and the functions min, max, round, ceil, floor,\n"
        "len, range and round_to. There is no power operator, and no other function.",
        "filters: $(width ** 2)\nfilters: $(width * width)",
    ),
    "ARC302": Explanation(
        "an unknown name in an expression",
        "Expressions can use the parameters of the spec and of the block, the variables of the\n"
        "enclosing `for`, and within repetitions `index`, `first` and `last`. A parameter can use\n"
        "those above it.",
        "params: {width: 64}\nlayers: [dense: $widht]\n\nlayers: [dense: $width]",
    ),
    "ARC303": Explanation(
        "an expression that cannot be evaluated",
        "Its operands are invalid: a division by zero, an index out of range, text in arithmetic,\n"
        "an axis that the input does not have, or a number that is too large.",
        "filters: $(depths[5])      # of five\nfilters: $(depths[4])",
    ),
    "ARC401": Explanation(
        "not exactly one op in a step",
        "Each step does one thing. Two ops are two steps.",
        "- conv: {filters: 8, kernel_size: 3}\n  relu:\n\n"
        "- conv: {filters: 8, kernel_size: 3}\n- relu",
    ),
    "ARC402": Explanation(
        "a key that is not allowed here",
        "Some step keys are allowed only for some kinds of step, merges need two inputs or more,\n"
        "a block takes as many as it declares and other steps take one, and a spec has either\n"
        "`input` or `inputs`.",
        "- relu:\n  from: [a, b]\n\n- add:\n  from: [a, b]",
    ),
    "ARC403": Explanation(
        "an unknown block, or one that contains itself",
        "`block` names an entry of `blocks`. Blocks may use each other, but not in a cycle.",
        "blocks:\n  a: {layers: [block: a]}\n\nblocks:\n  a: {layers: [relu]}",
    ),
    "ARC404": Explanation(
        "lists of unequal lengths",
        "`for` iterates over its lists in parallel, so they must have the same length.",
        "for: {depth: [2, 2, 3], width: [64, 128]}\nfor: {depth: [2, 2], width: [64, 128]}",
    ),
    "ARC405": Explanation(
        "too many steps",
        "A network has at most 100,000 steps once repetitions and blocks are expanded (fewer with\n"
        "`--max-steps`), and 500,000 inputs of merges and parameters of blocks. Blocks nest at\n"
        "most 64 deep, and steps in sections, branches, repetitions and blocks at most 128.",
        "repeat: 1000000\nrepeat: 100",
    ),
    "ARC406": Explanation(
        "a step that no output uses",
        "Its result is unused: a `from` bypasses it, or `outputs` lacks it; or no step of a block\n"
        "takes one of its `inputs`. Views (`flatten`) are left out then, as is what the last turn\n"
        "of a loop does not use of a block with `outputs`.",
        "- dense: 10\n  name: a\n- dense: 20\n  name: b\n  from: input\n\noutputs: [a, b]",
    ),
    "ARC407": Explanation(
        "an unknown or duplicate step name",
        "`from` and `outputs` name steps above them, in the same section or block or an enclosing\n"
        "section. A name is unique in its section; within repetitions it gets a number.",
        "from: conv9\nfrom: conv_1",
    ),
    "ARC408": Explanation(
        "invalid parameters of a block",
        "`with` sets parameters that the block declares; one whose default is null is required.",
        "blocks:\n  fire: {params: {squeeze: null}, layers: [dense: $squeeze]}\n"
        "layers:\n  - block: fire\n\n  - block: fire\n    with: {squeeze: 16}",
    ),
    "ARC409": Explanation(
        "an invalid input",
        "An input has channels with length, height and width, or depth, height and width; or\n"
        "features; or tokens and features; or only tokens, with `dtype: int32`.",
        "input: {channels: 3, height: 32}\ninput: {channels: 3, height: 32, width: 32}",
    ),
    "ARC410": Explanation(
        "`extends` cannot be followed",
        "It names a .yaml file by a relative path that stays in the spec's root folder (the\n"
        "nearest folder called `specs`, else the file's own), without a cycle, in a chain of at\n"
        "most 16 files.",
        "extends: ../../elsewhere/vgg16.yaml\nextends: vgg16.yaml",
    ),
    "ARC411": Explanation(
        "an unknown parameter",
        "`--set` and `archc.load` take parameters that the spec declares under `params`.",
        "archc report specs/vgg16.yaml --set clases=10\n"
        "archc report specs/vgg16.yaml --set classes=10",
    ),
    "ARC412": Explanation(
        "an invalid value of a parameter",
        "A parameter is a number, a boolean, text, a list of these, or a list of such lists. Set\n"
        "from outside, it cannot be an expression.",
        "archc report specs/vgg16.yaml --set 'classes=$(10 * 10)'\n"
        "archc report specs/vgg16.yaml --set classes=100",
    ),
    "ARC413": Explanation(
        "a malformed `--set`",
        "`--set` takes NAME=VALUE, once for each name. The value is YAML.",
        "archc report specs/vgg16.yaml --set classes\n"
        "archc report specs/vgg16.yaml --set classes=100",
    ),
    "ARC414": Explanation(
        "a revision that cannot be read",
        "`REV:PATH` is a spec in a revision (a branch, a tag, a commit) of the git repository of\n"
        "the working directory. PATH is relative to the repository's root, or with `./` or `../`\n"
        "to the working directory, as in git. What it extends is read from the same revision.",
        "archc diff HAED:specs/vgg16.yaml specs/vgg16.yaml\n"
        "archc diff HEAD:specs/vgg16.yaml specs/vgg16.yaml",
    ),
    "ARC415": Explanation(
        "variables that a step cannot use",
        "`weights` names a step above it, in the same block or network, of the same op with the\n"
        "same fields, or an instance of the same block with the same parameters: one layer, used\n"
        "again. A `dense` may use the table of an `embedding`, with a unit for each id.",
        "- conv: {filters: 8, kernel_size: 3}\n  name: a\n"
        "- conv: {filters: 4, kernel_size: 3}\n  weights: a\n\n"
        "- conv: {filters: 8, kernel_size: 3}\n  name: a\n"
        "- conv: {filters: 8, kernel_size: 3}\n  weights: a",
    ),
    "ARC501": Explanation(
        "an expectation that does not hold",
        "A value under `expect` differs from the network's. Either the network or the expectation\n"
        "is wrong. `archc report` shows every layer.",
        "expect: {params: 61705}    # lenet5 has 61,706\nexpect: {params: 61706}",
    ),
    "ARC502": Explanation(
        "an expectation for an unknown step",
        "`expect: {layers: ...}` names steps by their paths, as `archc report --format json` does.",
        "expect: {layers: {conv1: {params: 156}}}\nexpect: {layers: {conv_1: {params: 156}}}",
    ),
    "ARC503": Explanation(
        "a value beyond its bounds",
        "A total under `expect` can be a budget: at most `max`, at least `min`. Make the network\n"
        "smaller, or the budget larger; `archc validate --update-expect` leaves bounds alone.",
        "expect: {params: {max: 60000}}    # lenet5 has 61,706\nexpect: {params: {max: 65000}}",
    ),
    "ARC601": Explanation(
        "a step that a backend does not support",
        "A backend computes exactly what the language says or rejects the step; it never emits an\n"
        "approximation. The message says what is missing. Other backends may support it.",
        "archc build specs/NAME.yaml --backend all\narchc build specs/NAME.yaml --backend torch",
    ),
    "ARC602": Explanation(
        "an array that is not located in an emitted network",
        "To convert weights, archc must know the layer and the variable that hold each array. For\n"
        "this op they are not known, so nothing is converted. That is a gap in archc, not an\n"
        "error of the spec: please report it with the spec.",
        "archc verify specs/NAME.yaml\narchc verify specs/NAME.yaml --backends torch",
    ),
    "ARC603": Explanation(
        "a weight file that cannot be read",
        "Weights are read from safetensors, from PyTorch's .pth (weights only: no code in it is\n"
        "run) and from Keras' HDF5. The file is none of these, is truncated, or holds something\n"
        "other than arrays of numbers: links, objects, compressed pickles.",
        "archc weights import SPEC notes.txt -o out.safetensors\n"
        "archc weights import SPEC vgg16.pth -o out.safetensors",
    ),
    "ARC604": Explanation(
        "weights that do not match the network",
        "The file must hold every array of the network under its name and in its shape, and\n"
        "nothing else. Names are those of the emitted network. In a plain sequence of layers\n"
        "arrays can be matched by order instead; otherwise the spec has a table of names under\n"
        "`checkpoints`, or `--names` takes one. In a table every rule matches an op that has\n"
        "arrays, or a section with one, and no two rules the same. A rule that is a mapping has\n"
        "`layer`, and `arrays`, `transposed`, `blocks` or `factors`, which are of one op.",
        "archc weights import specs/vgg16.yaml resnet50.pth -o out.safetensors\n"
        "archc weights import specs/vgg16.yaml vgg16.pth -o out.safetensors",
    ),
    "ARC605": Explanation(
        "a part of the network that cannot be skipped or frozen",
        "`archc train --skip` and `--freeze` name a step, a section or a block's instance by its\n"
        "path, and mean all weights under it: `archc report` shows the paths. What is skipped\n"
        "cannot be frozen, and something must be left to train.",
        "archc train specs/resnet18.yaml --weights resnet18.pth --skip fx ...\n"
        "archc train specs/resnet18.yaml --weights resnet18.pth --skip fc ...",
    ),
    "ARC701": Explanation(
        "a recipe that does not fit the network",
        "`training` is for networks with one input of images or vectors, and one output with a\n"
        "value for each class. Prepared images must be at least as large as the input; larger\n"
        "ones are cropped, at random in training, at the centre otherwise.",
        "training: {inputs: {resize: 200}, epochs: 90}    # the input is 224 x 224\n"
        "training: {inputs: {resize: 256}, epochs: 90}",
    ),
    "ARC702": Explanation(
        "fields of a recipe that contradict one another",
        "A recipe sets the length of training by `epochs` or by `steps`, and its fields must be\n"
        "compatible with each other.",
        "training: {epochs: 10, steps: 5000}\ntraining: {epochs: 10}",
    ),
    "ARC703": Explanation(
        "a name that the training script uses itself",
        "The script of `archc build --training` imports the network's class by its name, and has\n"
        "another use for that name. Rename the class.",
        "class: Tensor\nclass: TensorNetwork",
    ),
    "ARC704": Explanation(
        "a spec without a recipe",
        "`archc train` and `archc build --training` follow the recipe under `training` in the\n"
        "spec: `archc ops training` shows its fields.",
        "name: lenet5    # without training\ntraining: {epochs: 10}",
    ),
    "ARC705": Explanation(
        "a file of a run that cannot be read",
        "The report of a run is drawn from its `run.json`, `metrics.jsonl` and `validation.npz`.\n"
        "One of them is damaged, or was not written by a run. The weights are not affected.",
        '{"name": "lenet5", "classes": 10}    # run.json\n{"name": "lenet5", "classes": null}',
    ),
    "ARC801": Explanation(
        "a model that cannot be imported",
        "`archc import` reads ONNX models, `.keras` archives, the JSON of Keras models and `.pt2`\n"
        "archives of torch.export. The file is none, is cut off or damaged, claims more than it\n"
        "holds, or leaves sizes open that a spec states: all axes but the batch. Nothing outside\n"
        "the file is read. A model in two files is imported without its weights.",
        "archc import model.py      # code is never read\narchc import model.onnx -o model.yaml",
    ),
    "ARC802": Explanation(
        "operations that archc has no op for",
        "A model is imported whole or not at all: what has no op is listed, with how often it\n"
        "occurs and where, and nothing is put in its place. `archc ops` shows all ops. Some\n"
        "exporters take an operation apart: export with a later version of the operators, where\n"
        "it is one.",
        "archc import model.onnx        # with a Mish activation\n"
        "archc import model.onnx        # exported with silu instead",
    ),
    "ARC803": Explanation(
        "an imported spec that is not proven",
        "The graph of the spec must be that of the file, op by op, and with the same random\n"
        "weights both networks must compute the same values in every layer. They do not, so\n"
        "nothing was written. This is an error in archc: please report it with the file.",
        "archc import model.onnx -o model.yaml",
    ),
    "ARC901": Explanation(
        "an unused parameter (warning)",
        "No expression of the spec, or of the block, uses the parameter: `--set` changes nothing\n"
        "by it. Warnings leave a spec valid; `archc validate --strict` exits with 1 for them.",
        "params: {classes: 10}\nlayers:\n  - dense: 10\n\n"
        "params: {classes: 10}\nlayers:\n  - dense: $classes",
    ),
    "ARC902": Explanation(
        "an unused block (warning)",
        "No step of `layers`, and of the blocks that these use, is an instance of the block.",
        "blocks:\n  unit: {layers: [relu]}\nlayers:\n  - relu\n\n"
        "blocks:\n  unit: {layers: [relu]}\nlayers:\n  - block: unit",
    ),
    "ARC903": Explanation(
        "an activation twice in a row (warning)",
        "The step applies the activation that its input has already: through the field\n"
        "`activation` of the op before, or as a step of its own. Of ReLU the second one does\n"
        "nothing.",
        "- conv: {filters: 8, kernel_size: 3, activation: relu}\n- relu\n\n"
        "- conv: {filters: 8, kernel_size: 3, activation: relu}",
    ),
    "ARC904": Explanation(
        "a step that is never there (warning)",
        "Its `when` is false, or its `repeat` 0, whatever the parameters are.",
        "- dropout: 0.5\n  when: false\n\n- dropout: 0.5\n  when: $regularized",
    ),
    "ARC905": Explanation(
        "a learning rate above any in use (warning)",
        "The highest that are in use are 29 with SGD, for batches of 32,768 images, 0.256 with\n"
        "RMSprop, and less than 0.1 with Adam. With more, losses become infinite.",
        "optimizer: {adam: {learning_rate: 1}}\noptimizer: {adam: {learning_rate: 0.001}}",
    ),
}
