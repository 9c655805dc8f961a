"""Which tests can notice a mutant: those that mirror its module first, then wider ones.

Measured coverage would choose more sharply, but a run that records for every line which tests
execute it takes as long as a hundred mutants, and has to be made anew with every change.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.mutation.mutants import room_of

NEAR = {
    "archc": "test_records.py files reports/test_reports.py cli/test_list.py test_specs.py"
    " test_plugins.py cli",
    "backends": "backends/test_generated.py backends/test_docstrings.py backends/test_movement.py"
    " backends/ops/test_ops.py backends/test_fusion.py backends/test_shared_padding.py"
    " backends/test_proof.py"
    " backends/test_source_quality.py backends/test_torch.py backends/test_keras.py"
    " backends/test_structure.py codegen/test_printer.py weights/test_layout.py"
    " weights/test_names.py backends/ops/test_emitted.py backends/ops/test_helpers.py"
    " backends/ops weights verify/test_networks.py regressions backends/test_first_run.py",
    "cli": "cli/test_list.py cli/test_new.py cli/test_show.py cli/test_completion.py"
    " cli/test_cli.py difference/test_command.py cli files weights/test_files.py"
    " training/test_commands.py",
    "codegen": "backends/test_generated.py codegen/test_printer.py codegen/test_layout.py"
    " codegen/test_rewrite.py codegen backends/test_docstrings.py backends/test_structure.py"
    " backends/test_source_quality.py",
    "diagnostics": "diagnostics cli/test_list.py cli/test_cli.py language/test_reader.py cli",
    "difference": "difference/test_sequences.py difference/test_difference.py"
    " difference/test_causes.py difference",
    "files": "files test_durability.py cli/test_doors.py cli",
    "importers": "importers",
    "onnx_format": "onnx_format backends/onnx",
    "ir": "backends/test_generated.py diagnostics ir/test_costs.py ir/test_expand.py"
    " reports/test_reports.py cli/test_show.py backends/test_docstrings.py ir test_specs.py"
    " weights/test_names.py difference/test_difference.py regressions language",
    "language": "backends/test_generated.py diagnostics cli/test_show.py language/test_names.py"
    " language/test_schema.py language/test_reader.py language/test_expressions.py"
    " language/test_writer.py cli/test_list.py cli/test_new.py training/test_recipe.py"
    " test_specs.py backends/test_docstrings.py difference/test_difference.py language cli",
    "ops": "backends/test_generated.py diagnostics ops ir/test_costs.py language/test_schema.py"
    " reports/test_reports.py cli/test_show.py backends/test_fusion.py"
    " backends/test_docstrings.py ir test_specs.py backends/ops/test_emitted.py cli/test_cli.py"
    " backends/ops difference",
    "reports": "reports/test_reports.py backends/test_generated.py reports/test_latex.py"
    " reports/test_notebook.py reports/drawing reports/pages/test_page.py"
    " difference/test_outputs.py reports difference cli/test_show.py cli",
    "server": "server",
    "training": "training/test_recipe.py training/test_reading.py training/test_preparing.py"
    " training/test_pack.py training/torch/test_recipe.py training/report"
    " training/script/test_specialize.py training/torch/test_checkpoint.py"
    " training/torch training/keras training",
    "verify": "verify/test_compare.py verify/test_networks.py verify cli/test_cli.py",
    "weights": "weights/test_names.py weights/test_layout.py weights/test_hostile.py weights"
    " cli/test_cli.py",
}
"""The tests of each room, those that take the least time first."""

FAR = (
    "test_architecture.py test_specs.py test_plugins.py files diagnostics language ir ops"
    " codegen cli reports difference regressions backends/test_structure.py"
    " backends/test_docstrings.py backends/test_source_quality.py backends/test_torch.py"
    " backends/test_keras.py backends/test_torchvision.py backends/test_keras_applications.py"
    " backends/test_zoo.py backends/ops weights verify differential training"
)
"""What a mutant that its own tests have not noticed meets as well: the whole suite, but for
benchmarks and what the tests of its own room have already run."""


def near(path: str, tests: Path) -> list[str]:
    """The test files of a module's own room; those of its own name come first."""
    parts = Path(path).with_suffix("").parts[1:]
    folder = tests / parts[0] if len(parts) > 1 else tests
    own = [file for part in parts[::-1] for file in sorted(folder.rglob(f"test_{part}.py"))]
    # A backend's weights are tested where all weights are.
    own += [tests / part for part in parts[1:] if (tests / part).is_dir()]
    return _files([*own, *(tests / name for name in NEAR[room_of(path)].split())], tests)


def far(path: str, tests: Path) -> list[str]:
    """The other test files."""
    before = near(path, tests)
    rest = _files([tests / name for name in FAR.split()], tests)
    return [name for name in rest if name not in before]


def _files(paths: Iterable[Path], tests: Path) -> list[str]:
    """Test files in order, folders spread out, each once."""
    files = [
        file
        for path in paths
        for file in ([path] if path.suffix else sorted(path.rglob("test_*.py")))
        if not file.is_relative_to(tests / "mutation")
    ]
    return list(dict.fromkeys(file.relative_to(tests.parent).as_posix() for file in files))
