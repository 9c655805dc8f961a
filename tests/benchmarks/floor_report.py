"""The smallest program that prints what `archc report` does for VGG: libyaml, dicts, arithmetic.

It knows the steps and expressions of VGG's specs alone, checks nothing, and follows no `extends`.
What it takes is what reading YAML and printing a table cost in Python.
"""

import sys

import yaml

COLUMNS = ("layer", "op", "output", "parameters", "MACs", "activations", "receptive field")


def value(given, names):
    if not isinstance(given, str) or not given.startswith("$"):
        return given
    name = given.strip("$()")
    if name.endswith("[index]"):
        return names[name.removesuffix("[index]")][names["index"]]
    return names[name]


def steps(layers, names, depth):
    for step in layers:
        if step == "flatten":
            yield depth, step, {}
        elif "section" in step:
            yield depth, "section", step["section"]
            yield from steps(step["layers"], names, depth + 1)
        elif "for" in step:
            lists = {name: value(items, names) for name, items in step["for"].items()}
            for items in zip(*lists.values(), strict=True):
                yield from steps(
                    step["layers"], {**names, **dict(zip(lists, items, strict=True))}, depth
                )
        elif "repeat" in step:
            for index in range(value(step["repeat"], names)):
                yield from steps(step["layers"], {**names, "index": index}, depth)
        else:
            ((op, fields),) = step.items()
            if not isinstance(fields, dict):
                fields = {"units": fields}
            yield depth, op, {name: value(field, names) for name, field in fields.items()}


def main():
    with open(sys.argv[1], "rb") as stream:
        spec = yaml.load(stream, Loader=yaml.CSafeLoader)
    channels, height, width = spec["input"].values()
    params = macs = activations = 0
    jump = field = 1
    counts = {}
    lines = []
    for depth, op, fields in steps(spec["layers"], spec["params"], 0):
        if op == "section":
            prefix = f"{fields}."
            counts = {}
            lines.append((fields, op, "", "", "", "", ""))
            continue
        if not depth:
            prefix = ""
            counts = {}
        counts[op] = counts.get(op, 0) + 1
        weights = work = 0
        if op == "conv":
            window = fields["kernel_size"] ** 2 * channels
            channels = fields["filters"]
            weights = (window + 1) * channels
            work = window * channels * height * width
            field += (fields["kernel_size"] - 1) * jump
            shape = f"{channels} × {height} × {width}"
        elif op == "max_pool":
            field += (fields["kernel_size"] - 1) * jump
            jump *= fields["stride"]
            height //= fields["stride"]
            width //= fields["stride"]
            shape = f"{channels} × {height} × {width}"
        elif op == "flatten":
            channels, height, width = channels * height * width, 1, 1
            shape = f"{channels}"
        elif op == "dense":
            work = channels * fields["units"]
            channels = fields["units"]
            weights = work + channels
            shape = f"{channels}"
        written = 0 if op == "flatten" else channels * height * width
        name = f"{op}_{counts[op]}"
        seen = f"{field} × {field}" if height > 1 else "all"
        figures = (f"{weights:,}", f"{work:,}", f"{written:,}", seen)
        lines.append(("  " * depth + name, op, shape, *figures))
        params += weights
        macs += work
        activations += written
    widths = [max(map(len, column)) for column in zip(COLUMNS, *lines, strict=True)]
    axes = "channels {} × height {} × width {}".format(*spec["input"].values())
    out = [
        f"{spec['name']}: {spec['title']}",
        f"input: {axes} → {prefix}{name}: features {channels}",
        "",
    ]
    for line in (COLUMNS, ["-" * size for size in widths], *lines):
        left = [f"{cell:<{size}}" for cell, size in zip(line[:3], widths[:3], strict=True)]
        right = [f"{cell:>{size}}" for cell, size in zip(line[3:], widths[3:], strict=True)]
        out.append("  ".join(left + right).rstrip())
    totals = {
        "parameters": f"{params:,}",
        "multiply-accumulates (MACs) per sample": f"{macs:,}",
        "activations per sample": f"{activations:,}",
        "weights in float32": f"{params * 4 / 2**20:.2f} MiB",
    }
    widest = max(map(len, totals.values()))
    out += ["", *(f"{name:<38}  {text:>{widest}}" for name, text in totals.items())]
    sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write("\n".join(out) + "\n")


main()
