"""The LaTeX table: valid, escaped, and compiled if TeX is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from archc import cli
from archc.api import load
from archc.diagnostics import SourceText
from archc.ir.costs import Costs
from archc.reports import latex
from archc.spec import read_source

ALEXNET = Path(__file__).parents[2] / "specs" / "alexnet.yaml"
SPECS = sorted((Path(__file__).parents[2] / "specs").glob("*.yaml"))
NASTY = r"\input{/etc/passwd} $x$ & 100 % #1 a_b ~ ^ <b> | {} \"q\" `c` a--b 3 × 4 … ü"
# Characters that are special in TeX without a backslash.
ACTIVE = re.compile(r"(?<!\\)[$&#%_~^<>|\"`]")


def costs_of(title: str) -> Costs:
    text = f"archc: 1\nname: net_1\ntitle: {title}\n"
    text += "input: {features: 4}\nlayers: [dense: 2]\n"
    return read_source(SourceText("spec.yaml", text), ".", "spec.yaml").checked()


def columns(line: str) -> int:
    return len(re.findall(r"(?<!\\)&", line)) + 1


def test_the_table_of_lenet() -> None:
    (lenet,) = [spec for spec in SPECS if spec.stem == "lenet5"]
    text = latex.report(load(str(lenet), {}).costs)
    lines = text.splitlines()
    assert lines[1:4] == [r"% \usepackage{booktabs}", r"\begin{table}", r"  \centering"]
    assert lines[4].startswith(r"  \caption{LeNet-5 as taught today (ReLU, max pooling, softmax): ")
    assert "parameters: 61,706; " in lines[4]
    assert "(MACs) per sample: 416,520; " in lines[4]
    assert lines[5:12] == [
        r"  \label{tab:lenet5}",
        r"  \begin{tabular}{llrrr}",
        r"    \toprule",
        r"    Layer & Operation & Output & Parameters & MACs \\",
        r"    \midrule",
        r"    conv\_1 & \texttt{conv} & $6 \times 28 \times 28$ & 156 & 117,600 \\",
        r"    max\_pool\_1 & \texttt{max\_pool} & $6 \times 14 \times 14$ & 0 & 0 \\",
    ]
    assert lines[-3:] == [r"    \bottomrule", r"  \end{tabular}", r"\end{table}"]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.stem)
def test_every_table_is_sound(spec: Path) -> None:
    network = load(str(spec), {})
    text = latex.report(network.costs)
    plain = text.replace(r"\{", "").replace(r"\}", "")
    assert plain.count("{") == plain.count("}")
    begun = re.findall(r"^ *\\begin\{(\w+)\}", text, re.MULTILINE)
    assert begun == re.findall(r"^ *\\end\{(\w+)\}$", text, re.MULTILINE)[::-1]
    rows = [line for line in text.splitlines() if r" & \texttt{" in line]
    assert all(columns(line) == 5 and line.endswith(r" \\") for line in rows)
    figures = [re.findall(r"& ([\d,]+) & ([\d,]+) \\\\$", line) for line in rows]
    params = sum(int(match[0][0].replace(",", "")) for match in figures if match)
    macs = sum(int(match[0][1].replace(",", "")) for match in figures if match)
    assert (params, macs) == (network.costs.totals.params, network.costs.totals.macs)
    assert ("longtable" in begun) == (len(rows) > latex.LONGEST)


def test_special_characters_are_escaped() -> None:
    text = latex.report(costs_of(f"'{NASTY}'"))
    (caption,) = [line for line in text.splitlines() if "caption" in line]
    title = caption.removeprefix(r"  \caption{").partition(": parameters")[0]
    assert title == (
        r"\textbackslash{}input\{/etc/passwd\} \$x\$ \& 100 \% \#1 a\_b \textasciitilde{} "
        r"\textasciicircum{} \textless{}b\textgreater{} \textbar{} \{\} "
        r"\textbackslash{}\char34{}q\textbackslash{}\char34{} \textasciigrave{}c\textasciigrave{} "
        r"a-{}-b 3 $\times$ 4 \ldots{} ü"
    )
    assert not ACTIVE.search(title.replace(r"$\times$", ""))


@pytest.mark.parametrize("code", range(32, 127))
def test_no_character_alone_means_anything(code: int) -> None:
    assert not ACTIVE.search(latex.escape(f"a{chr(code)}b"))
    assert latex.escape("\\") == r"\textbackslash{}"


def test_comments_hold_one_line_each() -> None:
    text = "archc: 1\nname: net\nparams: {n: a}\ninput: {features: 4}\nlayers: [dense: 2]\n"
    spec = read_source(SourceText("a\nb.yaml", text), ".", "a\nb.yaml")
    lines = latex.report(spec.build({"n": "x\n\\input{y}"})).splitlines()
    assert lines[0].startswith("% ")
    assert lines[1].startswith("% ")
    assert lines[2] == r"\begin{table}"


def test_the_command_writes_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", str(ALEXNET), "--format", "latex", "--batch", "8"]) == 0
    output = capsys.readouterr().out
    assert "memory for training, 8 samples" in output
    assert "\\begin{tabular}" in output


TEX = next(filter(None, map(shutil.which, ("pdflatex", "lualatex", "tectonic"))), None)


@pytest.mark.skipif(TEX is None, reason="no TeX is installed")
@pytest.mark.parametrize("spec", ["lenet5", "resnet18"])
def test_tex_sets_it(spec: str, tmp_path: Path) -> None:
    assert TEX is not None
    (path,) = [path for path in SPECS if path.stem == spec]
    tables = latex.report(load(str(path), {}).costs) + latex.report(costs_of(f"'{NASTY}'"))
    head = "\\documentclass{article}\n\\usepackage{booktabs, longtable}\n\\begin{document}\n"
    (tmp_path / "paper.tex").write_text(f"{head}{tables}\\end{{document}}\n", encoding="utf-8")
    options = [] if TEX.endswith("tectonic") else ["-interaction=nonstopmode", "-halt-on-error"]
    subprocess.run([TEX, *options, "paper.tex"], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "paper.pdf").stat().st_size > 1000
