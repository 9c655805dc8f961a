"""The `$` expressions of a spec: their grammar and their evaluator.

A scalar that begins with `$` is an expression: `$name`, or `$( ... )` around

    expression: operation ["if" operation "else" expression]
    operation:  operands with operators, from loose to tight: or, and, not (before its operand),
                == != < <= > >= (chained as in `0 < a < b`), + -, * / // %, - + (before theirs)
    operand:    (number | string | true | false | null | name | ("in" | name) "." axis
                | function "(" expressions ")" | "[" expressions "]" | "(" expression ")")
                {"[" (expression | [expression] ":" [expression]) "]"}

with Python's semantics, but stricter: booleans are not numbers, `and or not if` take only booleans,
`==` is only true for values of the same type, and sizes are limited. Python's own parser is not
used. Offsets count characters from the start of the scalar's text, the `$` included.
"""

from archc.language.expressions.evaluator import (
    FEWER_STEPS,
    TOO_MANY_STEPS,
    Budget,
    evaluate,
    list_size,
)
from archc.language.expressions.functions import FUNCTIONS, ArgumentError, Function
from archc.language.expressions.parser import (
    has_expressions,
    is_expression,
    parse,
    parse_text,
)
from archc.language.expressions.tree import (
    DEEPEST,
    INPUT,
    INTEGER_LIMIT,
    MOST_CHARACTERS,
    MOST_ITEMS,
    Binary,
    Call,
    Comparison,
    Conditional,
    Data,
    Display,
    Entry,
    Expression,
    ExpressionError,
    Incoming,
    Index,
    InputAxes,
    Literal,
    Logical,
    Name,
    Slice,
    Unary,
    axes,
    children,
    entries,
    names,
    references,
    walk,
)

__all__ = [
    "DEEPEST",
    "FEWER_STEPS",
    "FUNCTIONS",
    "INPUT",
    "INTEGER_LIMIT",
    "MOST_CHARACTERS",
    "MOST_ITEMS",
    "TOO_MANY_STEPS",
    "ArgumentError",
    "Binary",
    "Budget",
    "Call",
    "Comparison",
    "Conditional",
    "Data",
    "Display",
    "Entry",
    "Expression",
    "ExpressionError",
    "Function",
    "Incoming",
    "Index",
    "InputAxes",
    "Literal",
    "Logical",
    "Name",
    "Slice",
    "Unary",
    "axes",
    "children",
    "entries",
    "evaluate",
    "has_expressions",
    "is_expression",
    "list_size",
    "names",
    "parse",
    "parse_text",
    "references",
    "walk",
]
