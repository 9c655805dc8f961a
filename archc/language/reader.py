"""Bounded reading of spec files: bytes -> text -> values with source spans.

Only PyYAML's event stream is used. Values are composed here, by the YAML 1.2 core schema, of JSON
types only. No loader of PyYAML runs, so no tag can build an object, no alias can multiply, and the
depth of nesting is checked before values are built.
"""

from __future__ import annotations

import errno
import math
import re
from collections.abc import Callable
from typing import Any, NoReturn

from yaml.error import MarkedYAMLError
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner, ScannerError

from archc.diagnostics import Diagnostic, Note, SourceText, Span, SpecError, encodable
from archc.diagnostics.characters import unprintable
from archc.files.reading import read_regular
from archc.language.values import Scalar, Value

try:
    from yaml._yaml import CParser
except ImportError:  # a PyYAML built without libyaml
    CParser = None  # type: ignore[assignment, misc]  # a class by its type

MAX_BYTES = 1 << 20
MAX_DEPTH = 64
MAX_ERRORS = 100  # a file with more is hostile or not YAML at all
INTEGER_LIMIT = 1 << 53  # integers beyond it are not exact in JSON readers nor in float64


_SPEC_KEY = re.compile(
    rb"""(?:\A|[\r\n{,])[ \t]*(?:archc|"archc"|'archc')[ \t]*:|(?:\A|[\r\n])layers[ \t]*:"""
)
"""What no spec lacks, whatever else is wrong with it. NULs and a byte order mark are left out."""


def read_text(path: str, *, display: str | None = None, root: str | None = None) -> SourceText:
    """Read the regular file at `path`, called `display` in messages (by default `path`).

    With `root`, the file must be inside that folder after resolving links, and must be neither a
    symbolic link nor one of several hard links. Raises SpecError: ARC001, ARC002, ARC003.
    """
    name = encodable(path if display is None else display)
    return decode(_read(path, name, root), name)


def read_spec_text(path: str, *, display: str | None = None, root: str | None = None) -> SourceText:
    """As `read_text`, and SpecError (ARC012) for a file that is no spec."""
    name = encodable(path if display is None else display)
    return decode_spec(_read(path, name, root), name)


def _read(path: str, name: str, root: str | None) -> bytes:
    try:
        return read_regular(path, MAX_BYTES + 1, root=root)
    except ValueError:  # a NUL or a lone surrogate
        reason = "invalid characters in the file name"
    except OSError as error:
        reason = (error.strerror or "input/output error").lower()
        if error.errno == errno.ELOOP:
            reason = "a symbolic link is not followed here"
    _reject_file("ARC001", name, f"cannot be read: {reason}")


def _reject_file(code: str, name: str, message: str, hint: str | None = None) -> NoReturn:
    span = Span(SourceText(name, ""), 1, 1, 1, 1)
    raise SpecError([Diagnostic(code, message, span, hint)])


def decode_spec(data: bytes, display: str) -> SourceText:
    """As `decode`, for a spec. Raises SpecError (ARC012) for what has neither the key `archc` nor
    `layers`: a link may lead to any file, and errors with their excerpts would show its content."""
    plain = data[: MAX_BYTES + 1].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xfe\xff")
    if plain.strip() and not _SPEC_KEY.search(plain):
        message = "is not a spec: it has neither `archc` nor `layers`"
        _reject_file("ARC012", display, message, "begin with `archc: 1`, `name:` and `layers:`")
    return decode(data, display)


def decode(data: bytes, display: str) -> SourceText:
    """The text of `data`: strict UTF-8 without its byte order mark, line ends as `\\n`.

    Raises SpecError: ARC003 above 1 MiB, ARC002 for other encodings and forbidden characters, the
    latter together with all other errors of `parse`.
    """
    if len(data) > MAX_BYTES:
        _reject_file("ARC003", display, "larger than 1 MiB", "use a block for repeated layers")
    try:
        source = SourceText(display, _normal(data.decode("utf-8")))
    except UnicodeDecodeError as error:
        before = _normal(data[: error.start].decode("utf-8"))
        source = SourceText(display, _normal(data.decode("utf-8", errors="replace")))
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        span = Span(source, line, column, line, column + 1)
        message = f"is not UTF-8: byte 0x{data[error.start]:02x}"
        raise SpecError([Diagnostic("ARC002", message, span, "save it as UTF-8")]) from None
    if any(unprintable(source.text)):
        parse(source)
    return source


def _normal(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# Patterns are compiled where they are first needed: most specs need none of them.
_NUMBER = (
    r"(?P<decimal>[-+]?[0-9]+)|0o(?P<octal>[0-7]+)|0x(?P<hexadecimal>[0-9a-fA-F]+)"
    r"|(?P<float>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_BASES = {"decimal": 10, "octal": 8, "hexadecimal": 16}


def resolve(text: str) -> Scalar:
    """The value of an unquoted scalar by the YAML 1.2 core schema.

    Raises OverflowError for a number that is not finite and for integers of 2^53 or more.
    """
    if not text or text[0] not in "+-.0123456789":
        return _CONSTANTS.get(text, text)
    if len(text) < 16 and text.isdigit() and text.isascii():
        return int(text)  # nearly every number of a spec
    match = re.fullmatch(_NUMBER, text)
    if match is None:
        return text
    kind = match.lastgroup
    if kind is None:
        raise OverflowError("numbers must be finite")
    if kind == "float":
        number = float(text)
        if not math.isfinite(number):
            raise OverflowError("the number is too large for float64")
        return number
    digits = match[kind]
    significant = digits.lstrip("+-0") or "0"
    # Python converts no more than 4300 decimal digits; 2^53 has 18 in octal, its longest form.
    if len(significant) <= 18:
        size = int(significant, _BASES[kind])
        if size < INTEGER_LIMIT:
            return -size if digits[0] == "-" else size
    raise OverflowError("integers must be smaller than 2^53 in size")


_Event = Any  # of PyYAML, whose stubs make every mark optional


class _PythonParser(Reader, Scanner, Parser):
    """PyYAML's pure Python event stream, for a PyYAML built without libyaml: equal but slower."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)

    def get_event(self) -> _Event:
        try:
            return super().get_event()  # type: ignore[no-untyped-call]  # as PyYAML's stubs are
        except (ValueError, OverflowError):  # an escape past U+10FFFF
            problem = "found invalid Unicode character escape code"
            raise ScannerError(None, None, problem, self.get_mark()) from None


def parse(source: SourceText) -> Value:
    """Read one YAML document whose top level is a mapping.

    Raises SpecError with all errors of the text: ARC002 and ARC004 to ARC011. Reading stops at a
    syntax error, at nesting deeper than 64 and at the hundredth error.
    """
    composer = _Composer(source)
    try:
        root = composer.document()
    except _UnreadableError:
        root = None
    if root is None or composer.diagnostics:
        raise SpecError(composer.diagnostics)
    return root


class _UnreadableError(Exception):
    """Stops the reading with the diagnostics so far."""


class _Collection:
    """A list or mapping under construction."""

    __slots__ = ("data", "flow", "key", "last", "start")

    def __init__(self, event: _Event) -> None:
        self.data: list[Value] | dict[str, Value] = {} if type(event) is MappingStartEvent else []
        self.start = event.start_mark
        self.flow = event.flow_style
        self.key: Value | None = None  # the key whose value comes next
        self.last: Value | None = None

    def close(self, event: _Event, source: SourceText) -> Value:
        start, end = self.start, event.end_mark
        end_line, end_column = end.line + 1, end.column + 1
        # Only a closing bracket has a width. Without one, libyaml's mark is at the next token, past
        # comments and blank lines.
        if self.last is not None and not (self.flow and end.index > event.start_mark.index):
            end_line, end_column = self.last.span.end_line, self.last.span.end_column
        span = Span(source, start.line + 1, start.column + 1, end_line, end_column)
        return Value(self.data, span)


def _span_of(source: SourceText, event: _Event) -> Span:
    start, end = event.start_mark, event.end_mark
    return Span(source, start.line + 1, start.column + 1, end.line + 1, end.column + 1)


_NO_TAGS = "YAML tags are not allowed"
_INSTEAD_OF_ANCHORS = "use `params`, `for` or a block for repeated parts"
_PROPERTY = r"(?:[ \t\n]|#[^\n]*)*+(!<[^>\s]*>|[&!][^\s,\[\]{}]*)"
_BEFORE_DIRECTIVE = r"(?:[ \t]*(?:#[^\n]*)?\n)*+%"
_AFTER_DOCUMENT = r"(?:[ \t\n]|#[^\n]*|\.\.\.(?!\S))*+(.)"


class _Composer:
    def __init__(self, source: SourceText) -> None:
        self.source = source
        self.diagnostics: list[Diagnostic] = []
        self.anchors: dict[str, Span] = {}

    def document(self) -> Value | None:
        """The top-level mapping; None for a syntax error. Valid only without diagnostics."""
        try:
            text = self._without_directives(self._without_forbidden_characters())
            parser = _PythonParser(text) if CParser is None else CParser(text)
            return self._compose(parser.get_event)
        except MarkedYAMLError as error:
            self._syntax_error(error)
            return None

    def _error(self, code: str, message: str, span: Span, hint: str | None, *notes: Note) -> None:
        self.diagnostics.append(Diagnostic(code, message, span, hint, notes))
        if len(self.diagnostics) == MAX_ERRORS:
            raise _UnreadableError

    def _at(self, index: int, length: int = 1) -> Span:
        """The span of `length` characters of one line, starting at `index` of the text."""
        text = self.source.text
        index = min(index, len(text))  # libyaml ends every text with a line end
        line = text.count("\n", 0, index) + 1
        column = index - text.rfind("\n", 0, index)
        return Span(self.source, line, column, line, column + length)

    # Both of the following keep the length of the text, so that all marks stay valid.

    def _without_forbidden_characters(self) -> str:
        text = self.source.text
        parts, end = [], 0
        for index, character, kind in unprintable(text):
            message = f"U+{ord(character):04X}, {kind}, is not allowed"
            self._error("ARC002", message, self._at(index), "remove the character")
            parts += [text[end:index], "\ufffd"]
            end = index + 1
        return "".join([*parts, text[end:]])

    def _without_directives(self, text: str) -> str:
        while "%" in text and (match := re.match(_BEFORE_DIRECTIVE, text)):
            index = match.end() - 1
            self._directive(index)
            text = f"{text[:index]}#{text[index + 1 :]}"  # a comment from here on
        return text

    def _directive(self, index: int) -> None:
        self._error("ARC006", "YAML directives are not allowed", self._at(index), "delete the line")

    def _syntax_error(self, error: MarkedYAMLError) -> None:
        problem, mark = error.problem or "unknown", error.problem_mark or error.context_mark
        index = 0 if mark is None else mark.index
        span = self._at(index)
        if problem.startswith("found undefined tag handle"):
            self._error("ARC006", _NO_TAGS, span, "delete the tag")
            return
        if any(diagnostic.code == "ARC002" for diagnostic in self.diagnostics):
            return  # the forbidden character may have caused the syntax error
        message, hint = f"is not YAML: {problem}", None
        notes: list[Note] = []
        if problem.startswith("mapping values are not allowed"):
            message = "a mapping cannot start here"
            hint = (
                'quote text that contains ": ", or add the missing `:` at the end of the line above'
            )
        elif problem.endswith("that cannot start any token"):
            first = self.source.text[index : index + 1]
            message, hint = f"text cannot start with {first}", "quote the text"
            if first == "\t":
                message, hint = "a tab cannot indent YAML", "indent with spaces"
        elif error.context is not None and error.context_mark is not None:
            notes.append(Note(error.context, self._at(error.context_mark.index)))
            line = self.source.text[: index + 1].rpartition("\n")[2]
            if line.count("(") > line.count(")") and "$(" in line:
                hint = "inside { }, quote an expression that contains a comma, [ or {"
        self._error("ARC004", message, span, hint, *notes)

    def _compose(self, next_event: Callable[[], _Event]) -> Value | None:
        opened: list[_Collection] = []
        parent: _Collection | None = None
        root: Value | None = None
        while (event := next_event()) is not None:
            kind = type(event)
            if kind is ScalarEvent:
                value = self._scalar(event)
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                value = opened.pop().close(event, self.source)
                parent = opened[-1] if opened else None
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                if len(opened) == MAX_DEPTH:
                    span, hint = self._at(event.start_mark.index), "use a block for the inner part"
                    self._error("ARC008", f"nested more than {MAX_DEPTH} deep", span, hint)
                    raise _UnreadableError
                if event.anchor is not None or event.tag is not None:
                    self._properties(event)
                parent = _Collection(event)
                opened.append(parent)
                continue
            elif kind is AliasEvent:
                value = self._alias(event)
            elif kind is DocumentEndEvent:
                self._after_document(event)
                break
            else:  # the start or the end of the stream, or the start of the document
                continue
            if parent is None:
                root = value
                continue
            data, key = parent.data, parent.key
            if isinstance(data, list):
                data.append(value)
            elif key is None:
                parent.key = value
                if type(value.data) is not str or value.data in data or value.data == "<<":
                    self._suspect_key(value, data)
                continue
            else:
                parent.key = None
                value.key_span = key.span
                if value.data is None and value.span.end_column == value.span.column:
                    # There is no text. The mark may be far away: after `? key`, at the next token.
                    _, _, _, line, column = key.span
                    value.span = Span(self.source, line, column, line, column)
                if isinstance(key.data, str):
                    data.setdefault(key.data, value)
            parent.last = value
        return self._mapping(root)

    def _scalar(self, event: _Event) -> Value:
        span = _span_of(self.source, event)
        if event.anchor is not None or event.tag is not None:
            self._properties(event)
        text, style = event.value, event.style
        if not style:
            try:
                return Value(resolve(text), span)
            except OverflowError as error:
                self._error("ARC010", f"{_short(text)}: {error}", span, "quote it if it is text")
                return Value(0, span)
        if style == '"':
            found = {character: kind for _, character, kind in unprintable(text)}
            for character, kind in found.items():
                message = f"U+{ord(character):04X}, {kind}, is not allowed, escaped or not"
                self._error("ARC002", message, span, "remove the escape")
        elif style != "'":
            # A block scalar's end mark is at the next token, past the blank lines after it.
            body = self.source.text[event.start_mark.index : event.end_mark.index].rstrip(" \t\n")
            lines = body.count("\n")
            column = len(body) - body.rfind("\n") if lines else span.column + len(body)
            span = span._replace(end_line=span.line + lines, end_column=column)
        return Value(text, span, quoted=True)

    def _properties(self, event: _Event) -> None:
        """Report the anchor and the tag before a node, in either order."""
        text, index = self.source.text, event.start_mark.index
        while match := re.compile(_PROPERTY).match(text, index):
            index, written = match.end(), match[1]
            span = self._at(match.start(1), len(written))
            if written[0] == "!":
                self._error("ARC006", f"{_short(written)}: {_NO_TAGS}", span, "delete the tag")
            else:
                self.anchors[written[1:]] = span
                message = f"{_short(written)}: anchors are not allowed"
                self._error("ARC005", message, span, _INSTEAD_OF_ANCHORS)

    def _alias(self, event: _Event) -> Value:
        span, name = _span_of(self.source, event), event.anchor
        notes = [Note("the anchor is here", self.anchors[name])] if name in self.anchors else []
        message = f"{_short('*' + name)}: aliases are not allowed"
        self._error("ARC005", message, span, _INSTEAD_OF_ANCHORS, *notes)
        return Value(f"*{name}", span)

    def _suspect_key(self, key: Value, fields: dict[str, Value]) -> None:
        data = key.data
        if isinstance(data, str) and data in fields:
            first = fields[data].key_span or key.span
            message, note = f'duplicate key "{_short(data)}"', Note("first defined here", first)
            self._error("ARC007", message, key.span, "keep one of the two", note)
        elif not isinstance(data, str):
            hint = None if isinstance(data, list | dict) else "quote it"
            self._error("ARC011", "a key must be text", key.span, hint)
        elif not key.quoted:
            self._error("ARC011", "YAML merge keys are not allowed", key.span, _INSTEAD_OF_ANCHORS)

    def _after_document(self, end: _Event) -> None:
        """Report text after the first document, without parsing it."""
        text, index = self.source.text, end.end_mark.index
        explicit = index > end.start_mark.index  # ended by "..."
        if index >= len(text) or not (match := re.compile(_AFTER_DOCUMENT).match(text, index)):
            return
        index = match.start(1)
        if match[1] == "%":
            self._directive(index)
        elif explicit or text.startswith("---", index):
            hint = "write one spec per file"
            self._error("ARC009", "more than one YAML document", self._at(index), hint)
        else:
            hint = "check the brackets and the indentation before it"
            self._error("ARC004", "the document ends before this text", self._at(index), hint)

    def _mapping(self, root: Value | None) -> Value | None:
        hint = "begin with `archc: 1`, `name:` and `layers:`"
        if root is None or root.data is None:
            self._error("ARC009", "the document is empty", self._at(0, 0), hint)
        elif not isinstance(root.data, dict):
            self._error("ARC009", "the top level must be a mapping", root.span, hint)
        return root


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."
