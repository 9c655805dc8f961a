"""Every error code: what it means, why archc is strict there, and how the fault is mended."""

from __future__ import annotations

from typing import NamedTuple


class Explanation(NamedTuple):
    """A code's title, its explanation, and an example: the fault, and the same spec mended."""

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
        "the encoding, or a character that is refused",
        "A spec is UTF-8. Control characters, bidirectional controls, zero-width characters and\n"
        "the like are refused, escaped or not: they make a text look other than what it is.",
        'title: "LeNet\\u202e5"   # a bidirectional control\ntitle: "LeNet-5"',
    ),
    "ARC003": Explanation(
        "the file is too large",
        "A spec is at most 1 MiB. Use `repeat`, `for` and blocks for what repeats.",
        "- repeat: 1000\n  layers:\n    - conv: {filters: 8, kernel_size: 3}",
    ),
    "ARC004": Explanation(
        "the file is not YAML",
        "The place is where reading failed; the cause may stand just before it: a bracket that\n"
        "was never closed, an indentation, a colon inside unquoted text.",
        "title: LeNet: the first       # a colon\n" + 'title: "LeNet: the first"',
    ),
    "ARC005": Explanation(
        "an anchor or an alias",
        "`&name` and `*name` are refused: nested aliases turn a few bytes into gigabytes.\n"
        "`params`, `for` and blocks do what they are used for elsewhere.",
        "- conv: &c {filters: 8, kernel_size: 3}\n- conv: *c\n\n"
        "- repeat: 2\n  layers:\n    - conv: {filters: 8, kernel_size: 3}",
    ),
    "ARC006": Explanation(
        "a YAML tag or directive",
        "`!tag`, `!!type`, `%YAML` and `%TAG` are refused: a spec holds JSON types only, and no\n"
        "value of it ever becomes a Python object.",
        'title: !!str 5\ntitle: "5"',
    ),
    "ARC007": Explanation(
        "a duplicate key",
        "A key stands once in a mapping; most YAML readers keep the last one without a word.",
        "conv: {filters: 8, kernel_size: 3, filters: 16}\nconv: {filters: 16, kernel_size: 3}",
    ),
    "ARC008": Explanation(
        "nested too deep",
        "Collections nest at most 64 deep. A block keeps its own level of nesting.",
        "- block: stage\n  with: {width: 64}",
    ),
    "ARC009": Explanation(
        "not one mapping",
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
        "Keys are text. YAML reads `1`, `true` and `null` as other things, and `<<` as a merge.",
        "params: {1: 64}\nparams: {width: 64}",
    ),
    "ARC101": Explanation(
        "nothing is left of the feature map",
        "The window is larger than what it slides over, so that an output size would be zero or\n"
        "less. Pad, choose a smaller kernel or stride, or begin with a larger input.",
        "input: {channels: 1, height: 4, width: 4}\n"
        "layers:\n  - conv: {filters: 8, kernel_size: 5}\n\n"
        "  - conv: {filters: 8, kernel_size: 5, padding: same}",
    ),
    "ARC102": Explanation(
        "a feature map is needed",
        "Convolutions, pools and the like work on channels with one to three axes of space; a\n"
        "vector or a sequence came in.",
        "- flatten\n- conv: {filters: 8, kernel_size: 3}\n\n"
        "- conv: {filters: 8, kernel_size: 3}\n- flatten",
    ),
    "ARC103": Explanation(
        "a list of the wrong length",
        "A field like `kernel_size` takes one number for every axis of space, or a list with one\n"
        "for each: two for a 2-D feature map.",
        "conv: {filters: 8, kernel_size: [3, 3, 3]}   # on height and width\n"
        "conv: {filters: 8, kernel_size: [3, 3]}",
    ),
    "ARC104": Explanation(
        "a flat input is needed",
        "The op works on vectors or sequences, and a feature map came in. `flatten` orders\n"
        "channels first, then space, row by row.",
        "- max_pool: {kernel_size: 2}\n- dense: 10\n\n"
        "- max_pool: {kernel_size: 2}\n- flatten\n- dense: 10",
    ),
    "ARC105": Explanation(
        "channels that do not divide",
        "Grouped ops split their channels into equal groups, without a rest.",
        "conv: {filters: 64, kernel_size: 3, groups: 3}\n"
        "conv: {filters: 63, kernel_size: 3, groups: 3}",
    ),
    "ARC106": Explanation(
        "branches of different shapes",
        "`add`, `multiply`, `average` and `maximum` need equal shapes: nothing is broadcast.\n"
        "`concat` needs shapes that differ in channels or features alone.",
        "- add:\n    - - conv: {filters: 8, kernel_size: 3}\n    - []\n\n"
        "- add:\n    - - conv: {filters: 8, kernel_size: 3, padding: same}\n    - []"
        "   # 8 channels come in",
    ),
    "ARC107": Explanation(
        "codes of another length than the input",
        "`rbf` compares its input with each row of `codes`, value by value.",
        "- dense: 3\n- rbf: {codes: [[1, -1], [-1, 1]]}\n\n"
        "- dense: 2\n- rbf: {codes: [[1, -1], [-1, 1]]}",
    ),
    "ARC108": Explanation(
        "axes that make no shape",
        "`reshape` and `permute` name the axes of their result: channels with space, features, or\n"
        "tokens with features; `permute` names each axis of its input once.",
        "reshape: {channels: 8, tokens: 4}\nreshape: {channels: 8, height: 2, width: 2}",
    ),
    "ARC109": Explanation(
        "a reshape to another number of elements",
        "`reshape` keeps every element and invents none.",
        "- dense: 100\n- reshape: {channels: 3, height: 6, width: 6}\n\n"
        "- dense: 108\n- reshape: {channels: 3, height: 6, width: 6}",
    ),
    "ARC110": Explanation(
        "a channel that is not there",
        "`select` takes channels by index, counted from 0.",
        "select: [0, 6]      # of six channels\nselect: [0, 5]",
    ),
    "ARC111": Explanation(
        "too large to be exact",
        "A shape, a parameter count or a MAC count passes 2^53, above which not every reader of a\n"
        "report is exact. No such network can be built either.",
        "input: {channels: 3, height: 900000000, width: 900000000}\n"
        "input: {channels: 3, height: 224, width: 224}",
    ),
    "ARC112": Explanation(
        "numbers are needed, token ids came in",
        "An input with `dtype: int32` holds ids. `embedding` turns each id into a vector.",
        "- dense: 64\n\n- embedding: {vocabulary: 10000, features: 64}\n- dense: 64",
    ),
    "ARC201": Explanation(
        "an unknown key",
        "The mapping has no such key; what it may hold is listed by `archc ops` and by the schema.",
        "conv: {filter: 8, kernel_size: 3}\nconv: {filters: 8, kernel_size: 3}",
    ),
    "ARC202": Explanation(
        "a missing key",
        "A key that has no default is not given.",
        "conv: {filters: 8}\nconv: {filters: 8, kernel_size: 3}",
    ),
    "ARC203": Explanation(
        "a value of the wrong kind",
        "The message says what may stand there. Text that looks like a number stays text in\n"
        "quotes, and `yes` and `no` are text: write `true` and `false`.",
        'conv: {filters: "8", kernel_size: 3}\nconv: {filters: 8, kernel_size: 3}',
    ),
    "ARC204": Explanation(
        "an unknown op or step key",
        "A step is the name of an op, or a mapping with one op and step keys such as `name`,\n"
        "`from` and `when`. `archc ops` lists all ops.",
        "- convolution: {filters: 8, kernel_size: 3}\n- conv: {filters: 8, kernel_size: 3}",
    ),
    "ARC205": Explanation(
        "a name that cannot be used",
        "Names become identifiers in the emitted source: lower-case letters, digits and\n"
        "underscores, no Python keyword or built-in, and nothing that would hide an attribute of\n"
        "a PyTorch module or a Keras model.",
        "- relu:\n  name: forward\n\n- relu:\n  name: first_relu",
    ),
    "ARC206": Explanation(
        "an expression's value does not fit",
        "The expression could be evaluated, but its field, axis or repetition takes no such value.",
        "conv: {filters: $(width / 2), kernel_size: 3}    # a fraction\n"
        "conv: {filters: $(width // 2), kernel_size: 3}",
    ),
    "ARC301": Explanation(
        "a malformed expression",
        "Expressions know numbers, text, lists, names, arithmetic, comparisons, `and or not`,\n"
        "`a if c else b`, indexing, `in.AXIS`, and the functions min, max, round, ceil, floor,\n"
        "len, range and round_to. There is no power operator and no other call.",
        "filters: $(width ** 2)\nfilters: $(width * width)",
    ),
    "ARC302": Explanation(
        "an unknown name in an expression",
        "Known are the parameters of the spec and of the block, the lists of the `for` around,\n"
        "and within repetitions `index`, `first` and `last`. A parameter knows those above it.",
        "params: {width: 64}\nlayers: [dense: $widht]\n\nlayers: [dense: $width]",
    ),
    "ARC303": Explanation(
        "an expression that cannot be evaluated",
        "Its operands do not fit: a division by zero, an index past the end, text in arithmetic,\n"
        "an axis that does not come in, or a number too large.",
        "filters: $(depths[5])      # of five\nfilters: $(depths[4])",
    ),
    "ARC401": Explanation(
        "a step without exactly one op",
        "Each step does one thing. Two ops are two steps.",
        "- conv: {filters: 8, kernel_size: 3}\n  relu:\n\n"
        "- conv: {filters: 8, kernel_size: 3}\n- relu",
    ),
    "ARC402": Explanation(
        "a key that means nothing here",
        "Step keys belong to some kinds of step alone, merges need two inputs or more and other\n"
        "steps take one, and a spec has either `input` or `inputs`.",
        "- relu:\n  from: [a, b]\n\n- add:\n  from: [a, b]",
    ),
    "ARC403": Explanation(
        "an unknown block, or one that contains itself",
        "`block` names an entry of `blocks`. Blocks may use each other, but never in a circle.",
        "blocks:\n  a: {layers: [block: a]}\n\nblocks:\n  a: {layers: [relu]}",
    ),
    "ARC404": Explanation(
        "lists of unequal lengths",
        "`for` takes its lists in step, so all have one length.",
        "for: {depth: [2, 2, 3], width: [64, 128]}\nfor: {depth: [2, 2], width: [64, 128]}",
    ),
    "ARC405": Explanation(
        "too many steps",
        "A network has at most 100,000 steps once repetitions and blocks are carried out, and\n"
        "blocks nest at most 64 deep.",
        "repeat: 1000000\nrepeat: 100",
    ),
    "ARC406": Explanation(
        "a step that no output needs",
        "Its result goes nowhere: a `from` passes it by, or it is missing under `outputs`.",
        "- dense: 10\n  name: a\n- dense: 20\n  name: b\n  from: input\n\noutputs: [a, b]",
    ),
    "ARC407": Explanation(
        "a step name that is unknown or repeated",
        "`from` and `outputs` name steps that stand above them, within the same section or block\n"
        "or around it. A name stands once in its section; within repetitions it is counted.",
        "from: conv9\nfrom: conv_1",
    ),
    "ARC408": Explanation(
        "a block's parameters",
        "`with` gives values to parameters that the block declares; one whose default is null\n"
        "must be given.",
        "blocks:\n  fire: {params: {squeeze: null}, layers: [dense: $squeeze]}\n"
        "layers:\n  - block: fire\n\n  - block: fire\n    with: {squeeze: 16}",
    ),
    "ARC409": Explanation(
        "an unusable input",
        "An input has channels with length, height and width, or depth, height and width; or\n"
        "features; or tokens and features; or tokens alone with `dtype: int32`.",
        "input: {channels: 3, height: 32}\ninput: {channels: 3, height: 32, width: 32}",
    ),
    "ARC410": Explanation(
        "`extends` cannot be followed",
        "It names a .yaml file by a relative path that stays in the spec's root folder (the\n"
        "nearest folder called `specs`, else the file's own), never in a circle, in a chain of at\n"
        "most 16 files.",
        "extends: ../../elsewhere/vgg16.yaml\nextends: vgg16.yaml",
    ),
    "ARC411": Explanation(
        "a value for no parameter",
        "What `--set` or a call of `archc.load` gives must stand under the spec's `params`.",
        "archc report specs/vgg16.yaml --set clases=10\n"
        "archc report specs/vgg16.yaml --set classes=10",
    ),
    "ARC412": Explanation(
        "a parameter cannot have this value",
        "A parameter is a number, a boolean, text, a list of these, or a list of such lists;\n"
        "from outside it holds no expression.",
        "archc report specs/vgg16.yaml --set 'classes=$(10 * 10)'\n"
        "archc report specs/vgg16.yaml --set classes=100",
    ),
    "ARC413": Explanation(
        "a malformed `--set`",
        "`--set` takes NAME=VALUE, once for each name; the value is written as in YAML.",
        "archc report specs/vgg16.yaml --set classes\n"
        "archc report specs/vgg16.yaml --set classes=100",
    ),
    "ARC414": Explanation(
        "a revision that cannot be read",
        "`REV:PATH` is a spec as it is in a revision of the git checkout around the working\n"
        "folder: a branch, a tag, a commit. PATH starts at the checkout's root, or with `./` or\n"
        "`../` at the working folder, as git has it. What it extends is read in that revision.",
        "archc diff HAED:specs/vgg16.yaml specs/vgg16.yaml\n"
        "archc diff HEAD:specs/vgg16.yaml specs/vgg16.yaml",
    ),
    "ARC501": Explanation(
        "an expectation that does not hold",
        "A fact under `expect` differs from what the layers come to. Either the network is not\n"
        "the one that was meant, or the fact is wrong. `archc report` shows every layer.",
        "expect: {params: 61705}    # lenet5 has 61,706\nexpect: {params: 61706}",
    ),
    "ARC502": Explanation(
        "an expectation of no step",
        "`expect: {layers: ...}` names steps by their paths, as `archc report --format json` does.",
        "expect: {layers: {conv1: {params: 156}}}\nexpect: {layers: {conv_1: {params: 156}}}",
    ),
    "ARC601": Explanation(
        "a backend cannot compute this step",
        "A backend computes exactly what the language says or refuses; it never comes close with\n"
        "a warning. The message says what is missing. The other backends may have it.",
        "archc build specs/NAME.yaml --backend all\narchc build specs/NAME.yaml --backend torch",
    ),
    "ARC602": Explanation(
        "an array whose place in an emitted network is unknown",
        "Weights move between networks by known places alone: the layer that holds an array, and\n"
        "its variable there. For this op no single one is known, so nothing is moved. That is a\n"
        "gap in archc, not a fault of the spec: please report it with the spec.",
        "archc verify specs/NAME.yaml\narchc verify specs/NAME.yaml --backends torch",
    ),
    "ARC603": Explanation(
        "a file of weights that cannot be read",
        "Weights are read from safetensors, from PyTorch's .pth (as weights alone: nothing in it\n"
        "is run) and from Keras' HDF5. The file is none of these, is cut off, or holds what is no\n"
        "array of numbers: links, objects, compressed pickles.",
        "archc weights import SPEC notes.txt -o out.safetensors\n"
        "archc weights import SPEC vgg16.pth -o out.safetensors",
    ),
    "ARC604": Explanation(
        "weights that are not the network's",
        "Every array of the network must be in the file under its name, in its shape; it must\n"
        "hold nothing else. Names are those of the emitted network; in a straight chain of\n"
        "layers the order may stand for them; otherwise `--names` gives a table of them.",
        "archc weights import specs/vgg16.yaml resnet50.pth -o out.safetensors\n"
        "archc weights import specs/vgg16.yaml vgg16.pth -o out.safetensors",
    ),
    "ARC701": Explanation(
        "a recipe that does not fit the network",
        "`training` is for networks with one input of images or vectors, and one output with a\n"
        "value for each class. What it does to images must leave them as large as the input or\n"
        "larger; a larger one is cropped, at random in training, in the middle otherwise.",
        "training: {inputs: {resize: 200}, epochs: 90}    # the input is 224 x 224\n"
        "training: {inputs: {resize: 256}, epochs: 90}",
    ),
    "ARC702": Explanation(
        "fields of a recipe that contradict one another",
        "A recipe says how long it trains by `epochs` or by `steps`, and what it asks for must be\n"
        "possible together.",
        "training: {epochs: 10, steps: 5000}\ntraining: {epochs: 10}",
    ),
    "ARC703": Explanation(
        "a name that the training script calls something of its own",
        "The script of `archc build --training` has the network's classes and functions beside\n"
        "its own, in one file. Call the network's class, or the block, something else.",
        "class: Progress\nclass: ProgressNetwork",
    ),
    "ARC704": Explanation(
        "a spec without a recipe",
        "`archc train` and `archc build --training` do what stands under `training` in the spec:\n"
        "`archc ops training` shows all that can stand there.",
        "name: lenet5    # and no training\ntraining: {epochs: 10}",
    ),
    "ARC705": Explanation(
        "a run's file that cannot be drawn",
        "Learning curves, confusion matrix and mistakes are drawn from what training has left in\n"
        "the run's folder: `run.json`, `metrics.jsonl` and `validation.npz`. One of them is\n"
        "damaged, or holds what no run writes. The weights are not touched by that.",
        '{"name": "lenet5", "classes": 10}    # run.json\n{"name": "lenet5", "classes": null}',
    ),
}
