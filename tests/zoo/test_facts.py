"""What a run of a network depends on: what its emitted files do, and not how they are written."""

from __future__ import annotations

from tests.zoo.facts import program

SOURCE = '''"""Two layers."""

class Net(nn.Module):
    """Four features."""

    def forward(self, x):
        return self.second(self.first(x))
'''


def test_comments_docstrings_and_lines_make_no_difference() -> None:
    other = """class Net(nn.Module):

    def forward(
        self, x
    ):  # batch, 4
        return self.second(self.first(x))
"""
    assert program(other) == program(SOURCE)


def test_what_is_computed_makes_a_difference() -> None:
    assert program(SOURCE.replace("self.first(x)", "self.first(-x)")) != program(SOURCE)
    text = SOURCE.replace("self.second(self.first(x))", '"x"')
    assert program(text) != program(text.replace('"x"', '"y"'))
