"""`archc import`: a spec from a network that exists already."""

from __future__ import annotations

import os

import click

from archc.cli import streams
from archc.diagnostics import visible
from archc.files import write_files
from archc.importers import agreement, formats
from archc.importers.export import save_weights
from archc.importers.spec import Imported, as_spec, name_of


@click.command("import", help="Make a spec from a network in another format.")
@click.argument("file", metavar="FILE")
@click.option("-o", "output", metavar="SPEC", help="The spec to write, by default standard output.")
@click.option(
    "--weights",
    metavar="FILE",
    help="Also write the network's weights, to a .safetensors file.",
)
@click.option(
    "--size",
    "sizes",
    metavar="N[,N...]",
    default="",
    help="Sizes of axes that the file leaves open: one for all, or one for each.",
)
@click.option("--graph-only", is_flag=True, help="Compare the graphs, but run neither network.")
@click.option("--force", is_flag=True, help="Overwrite existing files.")
def command(
    file: str, output: str | None, weights: str | None, sizes: str, graph_only: bool, force: bool
) -> int:
    """FILE is an ONNX model, a `.keras` archive, the JSON of a Keras model, or a `.pt2` archive of
    torch.export. It is read by a process of its own, without a framework.

    The spec is accepted only where its graph is proven to be that of the file, op by op. Then both
    run with the same random weights, where onnxruntime or Keras and a framework are installed, and
    the values of all layers are compared.
    """
    for path in filter(None, (output, weights)):
        if os.path.lexists(path) and not force:
            streams.print_message(f"archc: {visible(path)} exists already (--force overwrites it)")
            return 2
    if weights is not None and not weights.endswith(".safetensors"):
        raise click.UsageError(f"{weights}: the name of a file of weights ends in .safetensors")
    network = formats.read(file, _sizes(sizes))
    name = name_of(output or file)
    comments = [f"Imported from {visible(os.path.basename(file))}."]
    comments += map(visible, network.notes)
    imported = as_spec(network, name, file, comments)
    if not graph_only and not _agree(imported, file):
        return 1
    if weights is not None:
        save_weights(imported, file, weights)
        streams.print_message(f"wrote {visible(weights)}")
    if output is None:
        streams.write(imported.text)
        return 0
    folder, base = os.path.split(output)
    write_files({base: imported.text}, folder or os.curdir, force=True)
    totals = imported.loaded.costs.totals
    streams.print_message(
        f"wrote {visible(output)}: {totals.params:,} parameters, {totals.macs:,} MACs"
    )
    return 0


def _sizes(text: str) -> list[int]:
    """Sizes as an option lists them."""
    items = text.split(",") if text else []
    if not all(one.isascii() and one.isdecimal() and 0 < len(one) < 8 for one in items):
        raise click.UsageError(
            f"--size {visible(text)}: not whole numbers with commas between them"
        )
    return [int(one) for one in items]


def _agree(imported: Imported, file: str) -> bool:
    """Whether the networks of the spec and of the file compute the same; reports it."""
    layers = len(imported.network.layers)
    result = agreement.compare(imported, file)
    if result.disagreement is not None:
        streams.print_message(f"archc: {visible(file)}: ARC803 {visible(result.disagreement)}")
        streams.print_message("archc: nothing was written")
        return False
    if result.reason is not None:
        streams.print_message(
            f"same graph, op by op ({layers} ops); values not compared: {visible(result.reason)}"
        )
        return True
    streams.print_message(
        f"same graph, op by op ({layers} ops); same values of {result.compared} layers, "
        f"to {result.largest:.0e} of the largest"
    )
    return True
