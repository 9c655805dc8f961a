"""Specialization of a program: what constants decide is decided, and the rest stays as it is."""

from __future__ import annotations

import textwrap

import pytest

from archc.codegen.printer import render
from archc.codegen.tree import Module, Value, call
from archc.training.script.specialize import specialize


def residue(program: str, **constants: Value) -> str:
    """What is left of a program, below its docstring and the call of `main`."""
    text = f'"""A program."""\n\n{textwrap.dedent(program).strip()}\n\n\nmain()\n'
    expressions = {"hook": call("hooked", 1)}
    made = specialize([text], constants, expressions, {"Network": "LeNet5"}, {"spare"})
    return render(Module(body=(*made.imports, *made.body))).removesuffix("\n\n\nmain()\n")


DECISIONS = """
import os

A: int = 0  # a number
B: tuple[int, ...] = ()


def main() -> None:
    if A == 2 and ready():
        print("many")
    elif A == 1 or B:
        print("one", A)
    else:
        print("none")
    for axis in B:
        print(axis)
    if not A:
        print("zero")
    return os.sep if A not in (1, 2) else None
    print("never")
"""


@pytest.mark.parametrize(
    ("a", "b", "body"),
    [
        (0, (), ['print("none")', 'print("zero")', "return os.sep"]),
        (1, (), ['print("one", A)', "return None"]),
        (
            0,
            (-1, 3),
            ['print("one", A)', "print(-1)", "print(3)", 'print("zero")', "return os.sep"],
        ),
    ],
)
def test_what_constants_decide_is_decided(a: int, b: tuple[int, ...], body: list[str]) -> None:
    lines = [line.strip() for line in residue(DECISIONS, A=a, B=b).split("\n")]
    assert lines[lines.index("def main() -> None:") + 1 :] == body
    assert (f"A = {a}  # a number" in lines) == ("A)" in str(body))
    assert ("import os" in lines) == ("return os.sep" in body)


def test_what_they_leave_open_stays() -> None:
    found = residue(DECISIONS, A=2, B=())
    assert '    if ready():\n        print("many")\n    else:\n        print("none")\n' in found


def test_what_nobody_uses_is_left_out() -> None:
    program = """
    import math
    import os

    SIZE: int = 3


    def unused() -> int:
        return SIZE + math.tau


    def used(*, name: str = "a") -> str:
        # Why it is so.
        return os.sep  # a separator


    def main() -> None:
        print(used(), hook(1, 2), Network())
    """
    assert (
        residue(program, SIZE=4)
        == textwrap.dedent(
            """
        import os


        def used(*, name: str = "a") -> str:
            # Why it is so.
            return os.sep  # a separator


        def main() -> None:
            print(used(), hooked(1), LeNet5())
        """
        ).strip()
    )


def test_operands_that_decide_stay_where_a_value_is_asked_for() -> None:
    found = residue(
        """
    A: int = 0


    def main() -> None:
        print(ready() or 1, A or ready(), not A and ready())
    """,
        A=0,
    )
    assert "print(ready() or 1, ready(), ready())" in found


def test_functions_have_no_parameters_that_are_absent() -> None:
    found = residue("""
    def scaled(images: int, spare: int, mean: int) -> int:
        return images - mean


    def main() -> None:
        print(scaled(1, spare, 2), partial(scaled, spare))
    """)
    assert "def scaled(images: int, mean: int) -> int:" in found
    assert "print(scaled(1, 2), partial(scaled))" in found


def test_what_is_no_statement_of_scripts_is_refused() -> None:
    statements = ("while True: pass", "x += 1", "del x", "x = lambda: 1", "global x")
    statements += (
        "x = ~y",
        "x = [y for y in z if y if z]",
        "with a as b: print()",
        "def f(x=1): return x",
    )
    for statement in statements:
        with pytest.raises(ValueError, match=r"line \d+: no (statement|expression) of scripts"):
            residue(f"def main() -> None:\n    {statement}")
