"""Prints a `Module` of the tree as source that `ruff format` (88 columns) leaves unchanged.

Statements, comments and docstrings; whatever text they hold, it comes out as inert ASCII.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterable, Sequence

from archc.codegen.docs import Concat, Doc, Item, Text, bracket, concat, escaped, to_doc
from archc.codegen.layout import (
    INDENT,
    WIDTH,
    after,
    comment_line,
    lay,
    lay_bare,
    lay_value,
    one_per_line,
    with_comment,
)
from archc.codegen.rewrite import transform, walk
from archc.codegen.tree import (
    Assign,
    BlankLine,
    Break,
    ClassDef,
    Comment,
    Commented,
    Expr,
    ExpressionStatement,
    For,
    FunctionDef,
    If,
    Import,
    ImportFrom,
    Index,
    Module,
    Parameter,
    Raw,
    Return,
    Slice,
    Statement,
    TupleOf,
    With,
    Yield,
)
from archc.diagnostics.characters import LINE_COMMAND

Definition = FunctionDef | ClassDef | Raw


def render(module: Module) -> str:
    """The text of the file, with a line end at its end.

    Raises ValueError where a node stands where it cannot, a body is empty or a number is not
    finite, and TypeError for a literal of another type.
    """
    lines = [comment_line(text) for text in module.header]
    lines += _docstring(module.docstring or "", 0)
    if lines:
        lines.append("")
        if module.body and _leads_to_definition(module.body)[0]:
            lines.append("")
    return "\n".join(_block(module.body, 0, lines)).rstrip("\n") + "\n"


def imports(*statements: Import | ImportFrom) -> tuple[Statement, ...]:
    """The imports in the order that ruff's isort rules ask for.

    `__future__`, the standard library and third parties, with a blank line between them; in each
    `import a` before `from a import b`. What is imported from one module becomes one statement.
    """
    names: dict[str, set[str]] = {}
    plain: list[Import] = []
    for each in statements:
        if isinstance(each, ImportFrom):
            names.setdefault(each.module, set()).update(each.names)
        elif each not in plain:
            plain.append(each)
    merged: list[Import | ImportFrom] = [
        *sorted(plain, key=lambda each: (each.module.lower(), each.alias or "")),
        *(
            ImportFrom(module, tuple(sorted(names[module], key=_member_order)))
            for module in sorted(names, key=str.lower)
        ),
    ]
    ordered: list[Statement] = []
    for section in range(3):
        members = [each for each in merged if _section(each.module) == section]
        if ordered and members:
            ordered.append(BlankLine())
        ordered += members
    return tuple(ordered)


def _section(module: str) -> int:
    root = module.partition(".")[0]
    return 0 if root == "__future__" else 1 if root in sys.stdlib_module_names else 2


def _member_order(name: str) -> tuple[int, str, str]:
    """Constants, then classes, then the rest."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
    return kind, name.lower(), name


def _docstring(text: str, indent: int) -> list[str]:
    """`text` as an inert docstring; nothing where it is blank.

    Lines are wrapped one by one, and indented against the least indented of those after the first.
    """
    rows = [(len(row) - len(row.lstrip(" ")), row.split()) for row in text.strip().split("\n")]
    if not rows[0][1]:
        return []
    margin = " " * indent
    least = min((depth for depth, words in rows[1:] if words), default=0)
    lines: list[str] = []
    for depth, words in rows:
        line = " ".join(map(_docstring_word, words))
        start = margin + " " * min(depth - least, 2 * INDENT)
        if not lines:
            start = margin + ('"""\\' if line.startswith('"') else '"""')
        if words:
            lines += _filled(line, start, start if lines else margin)
        elif lines[-1]:
            lines.append("")
    if len(lines) == 1 and len(lines[0]) + 3 > WIDTH:
        # The closing quotes do not fit behind it.
        lines = _filled(lines[0].lstrip(), margin, margin, WIDTH - 3)
    if len(lines) > 1:
        return [*lines, margin + '"""']
    # A quote at the end is escaped, unless it already follows an odd number of backslashes.
    last = re.sub(r'(?<!\\)((?:\\\\)*)"$', r'\1\\"', lines[0])
    return [last + '"""']


def _docstring_word(word: str) -> str:
    """A word as it may stand at the start of a line as well, where it is no command of a log."""
    text = escaped(word).replace('"""', '\\"\\"\\"')
    return text.replace(":", "\\x3a", 1) if text.startswith(LINE_COMMAND) else text


def _filled(line: str, start: str, margin: str, width: int = WIDTH) -> list[str]:
    return textwrap.wrap(
        line,
        width,
        initial_indent=start,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _block(body: Sequence[Statement], indent: int, opening: Sequence[str] = ()) -> list[str]:
    """The lines of a body, with the blank lines that the style asks for.

    `opening` is what stands before the first statement: a docstring and the blank line after it.
    """
    lines = list(opening)
    between = 1 if indent else 2
    defines = _leads_to_definition(body)
    previous: Statement | None = None
    blank = False
    for index, statement in enumerate(body):
        if isinstance(statement, BlankLine):
            blank = previous is not None
            continue
        gap = int(blank)
        if previous is not None:
            comment_above = isinstance(previous, Comment) and defines[index]
            imported = isinstance(previous, Import | ImportFrom)
            if comment_above:
                gap = 0
            elif isinstance(previous, Definition) or defines[index]:
                gap = between
            elif imported and not isinstance(statement, Import | ImportFrom):
                gap = 1
        lines += [""] * gap
        lines += _statement(statement, indent)
        previous, blank = statement, False
    if indent and not opening and all(map(_is_comment, body)):
        raise ValueError("a body without a statement")
    return lines


def _is_comment(statement: Statement) -> bool:
    return isinstance(statement, Comment | BlankLine)


def _suite(body: Sequence[Statement], indent: int) -> list[str]:
    """The body of an `if` or a `for`, where ruff wants a blank line before a definition."""
    first = next((each for each in body if not isinstance(each, BlankLine)), None)
    return _block(body, indent, [""] if isinstance(first, Definition) else [])


def _leads_to_definition(body: Sequence[Statement]) -> list[bool]:
    """For each statement whether it is a definition, or a comment on one."""
    leads: list[bool] = []
    for statement in reversed(body):
        following = bool(leads) and leads[-1]
        comment = _is_comment(statement) and following
        leads.append(comment or isinstance(statement, Definition))
    return leads[::-1]


def _statement(statement: Statement, indent: int) -> list[str]:
    margin = " " * indent
    match statement:
        case Assign(target, value, comment, annotation):
            typed = "" if annotation is None else f": {_flat(annotation)}"
            head = _target(target) + typed
            if isinstance(target, TupleOf) and indent + len(head) + len(" = (") > WIDTH:
                return _below_split_target(target, value, comment, indent)
            if isinstance(target, TupleOf) and isinstance(value, TupleOf) and not comment:
                return _given(f"{head} = ", value, None, indent)
            eager = isinstance(target, TupleOf | Index)
            return _simple(f"{head} = ", value, comment, indent, eager=eager)
        case Return(None, comment):
            return with_comment([f"{margin}return"], "", comment, margin)
        case Return(value, comment) if value is not None:
            return _given("return ", value, comment, indent)
        case Yield(value):
            return _given("yield ", value, None, indent)
        case Break():
            return [f"{margin}break"]
        case ExpressionStatement(value, comment):
            return _simple("", value, comment, indent)
        case If():
            return _if(statement, "if", indent)
        case For(target, iterable, body):
            doc = _statement_doc(iterable)
            header = _header(f"{margin}for {_target(target)} in ", doc, indent)
            crowded = len(header[0]) > WIDTH or header[0].endswith(" in (")
            if isinstance(target, TupleOf) and crowded:
                header = _split_header(target, doc, indent)
            return [*header, *_suite(body, indent + INDENT)]
        case With(context, body):
            return [
                *_header(f"{margin}with ", _statement_doc(context), indent),
                *_suite(body, indent + INDENT),
            ]
        case FunctionDef():
            return _function(statement, indent)
        case ClassDef(name, bases, docstring, body, decorators):
            arguments = bracket("(", [Item(to_doc(base)) for base in bases], ")", shared=True)
            declared = concat(Text(f"class {name}"), *([arguments] if bases else []))
            opening = _docstring(docstring or "", indent + INDENT)
            if opening and body:
                opening.append("")
            return [
                *_decorators(decorators, indent),
                *_header(margin, declared, indent),
                *_block(body, indent + INDENT, opening),
            ]
        case Comment(text):
            return [margin + comment_line(text)]
        case Import(module, alias):
            return [f"{margin}import {module}{f' as {alias}' if alias else ''}"]
        case ImportFrom(module, names):
            items = [Item(Text(name)) for name in names]
            listed = bracket("(", items, ")", comma=1)._replace(flat=", ".join(names))
            return after(
                margin, lay(concat(Text(f"from {module} import "), listed), indent, indent, 0)
            )
        case Raw(text):
            return textwrap.indent(text.strip("\n"), margin).split("\n")
        case _:
            raise ValueError(f"{type(statement).__name__} is no statement")


def _given(word: str, value: Expr, comment: str | None, indent: int) -> list[str]:
    """A value behind `return`, `yield` or several targets, a tuple bare where it fits."""
    if isinstance(value, TupleOf) and len(value.items) > 1:
        flat = to_doc(value).flat
        if flat is not None and indent + len(word) + len(flat) - 2 <= WIDTH:
            margin = " " * indent
            return with_comment([f"{margin}{word}{flat[1:-1]}"], "", comment, margin)
    return _simple(word, value, comment, indent)


def _simple(
    head: str, value: Expr, comment: str | None, indent: int, *, eager: bool = False
) -> list[str]:
    margin = " " * indent
    doc = _statement_doc(value)
    lines = after(margin + head, lay_value(doc, indent, indent + len(head), eager=eager))
    if comment and isinstance(doc, Text) and len(lines) > 1:
        # ruff would move a comment behind these parentheses into them.
        return [margin + comment_line(comment), *lines]
    return with_comment(lines, "", comment, margin)


def _below_split_target(
    target: TupleOf, value: Expr, comment: str | None, indent: int
) -> list[str]:
    """An assignment to several names that do not fit on one line, each on a line of its own."""
    margin = " " * indent
    names = bracket("(", [Item(to_doc(each)) for each in target.items], ")", comma=1)
    lines = after(margin, one_per_line(names, indent))
    lines[-1] += " = "
    rest = lay_bare(_statement_doc(value), indent, len(lines[-1]))
    return with_comment([*lines[:-1], *after(lines[-1], rest)], "", comment, margin)


def _statement_doc(value: Expr) -> Doc:
    """The document of a whole expression.

    A slice behind a trailing comment makes ruff break what it need not: the comments go above.
    """
    doc = to_doc(value)
    if doc.flat is None and any(isinstance(each, Slice) for each in walk(value)):
        return to_doc(transform(value, _comment_above))
    return doc


def _comment_above(expr: Expr) -> Expr:
    if isinstance(expr, Commented) and expr.comment:
        return Commented(expr.value, None, ", ".join(filter(None, (expr.above, expr.comment))))
    return expr


def _split_header(target: TupleOf, doc: Doc, indent: int) -> list[str]:
    """The header of a loop over names that do not fit on its first line, each on a line of its own:
    all of them, or those of a tuple at their end."""
    *others, last = target.items
    inner = last if others and isinstance(last, TupleOf) else target
    words = "".join(f"{_target(each)}, " for each in others if inner is last)
    names = bracket("(", [Item(to_doc(each)) for each in inner.items], ")", comma=1)
    lines = after(f"{' ' * indent}for {words}", one_per_line(names, indent))
    return [*lines[:-1], *_header(f"{lines[-1]} in ", doc, indent)]


def _header(head: str, doc: Doc, indent: int) -> list[str]:
    """The first line of a compound statement, up to its colon."""
    lines = after(head, lay_value(doc, indent, len(head), 1))
    lines[-1] += ":"
    return lines


def _if(statement: If, word: str, indent: int) -> list[str]:
    margin = " " * indent
    lines = _header(f"{margin}{word} ", _statement_doc(statement.condition), indent)
    lines += _suite(statement.body, indent + INDENT)
    match statement.orelse:
        case ():
            return lines
        case (If() as nested,):
            return lines + _if(nested, "elif", indent)
        case orelse:
            return [*lines, f"{margin}else:", *_suite(orelse, indent + INDENT)]


def _function(function: FunctionDef, indent: int) -> list[str]:
    items = [Item(_parameter(parameter)) for parameter in function.parameters]
    keyword_only = [index for index, each in enumerate(function.parameters) if each.keyword_only]
    if keyword_only:
        items.insert(keyword_only[0], Item(Text("*")))
    listed = bracket("(", items, ")", comma=1, shared=True)
    parts: list[Doc] = [Text(f"def {function.name}"), listed]
    if function.returns is not None:
        parts.append(Text(f" -> {_flat(function.returns)}"))
    opening = _docstring(function.docstring or "", indent + INDENT)
    if opening and function.body and _leads_to_definition(function.body)[0]:
        opening.append("")
    return [
        *_decorators(function.decorators, indent),
        *_header(" " * indent, concat(*parts), indent),
        *_block(function.body, indent + INDENT, opening),
    ]


def _parameter(parameter: Parameter) -> Concat:
    parts: list[Doc] = [Text("**" * parameter.others + parameter.name)]
    if parameter.annotation is not None:
        parts += [Text(": "), to_doc(parameter.annotation)]
    if parameter.default is not None:
        equals = "=" if parameter.annotation is None else " = "
        parts += [Text(equals), to_doc(parameter.default)]
    return concat(*parts)


def _decorators(decorators: Iterable[Expr], indent: int) -> list[str]:
    return [
        line
        for decorator in decorators
        for line in after(" " * indent + "@", lay(to_doc(decorator), indent, indent + 1, 0))
    ]


def _target(target: Expr) -> str:
    flat = _flat(target)
    return flat[1:-1] if isinstance(target, TupleOf) and len(target.items) > 1 else flat


def _flat(expr: Expr) -> str:
    flat = to_doc(expr).flat
    if flat is None:
        raise ValueError("a comment inside a target, an annotation or a return type")
    return flat
