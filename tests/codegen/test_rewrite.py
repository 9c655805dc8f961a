"""Walking, rebuilding, comparing and unifying trees."""

from __future__ import annotations

import pytest

from archc.codegen.rewrite import children, rewritten, transform, unify, walk, walk_statements
from archc.codegen.tree import (
    Assign,
    Attribute,
    Binary,
    Break,
    Call,
    ClassDef,
    Comment,
    Commented,
    Conditional,
    Expr,
    ExpressionStatement,
    For,
    FString,
    FunctionDef,
    Generator,
    If,
    Index,
    Keyword,
    ListOf,
    Lit,
    Parameter,
    Ref,
    Return,
    Slice,
    Starred,
    TupleOf,
    Unary,
    With,
    Yield,
    call,
)
from tests.codegen.printing import A, B, C, X, printed


def test_equality_is_structural_and_typed() -> None:
    assert Lit(1) != Lit(True)
    assert Lit(1) != Lit(1.0)
    assert Lit(0.0) != Lit(-0.0)
    assert Lit((1, 2)) != Lit((1, 2.0))
    assert Lit(1, "filters") == Lit(1)
    assert len({Lit(1), Lit(True), Lit(1.0), Lit(1, "filters")}) == 3
    assert call("f", 1, k=2) == Call(Ref("f"), (Lit(1),), (Keyword("k", Lit(2)),))
    assert len({ListOf((A,)), TupleOf((A,))}) == 2


def test_walk_and_transform_reach_everything() -> None:
    tree = call(
        "f",
        ListOf((Starred(A), Commented(B, "c"))),
        Index(TupleOf((A,)), (Slice(A, None, B), C)),
        Conditional(A, Unary("-", B), Binary("+", A, C)),
        Generator(Attribute(A, "n"), "i", FString(("s", B)), C),
        k=A,
    )
    names = [each.name for each in walk(tree) if isinstance(each, Ref)]
    assert names == list("fab" + "aabc" + "baac" + "abc" + "a")

    def rename(expr: Expr) -> Expr:
        return Ref(expr.name + "_") if isinstance(expr, Ref) else expr

    renamed = transform(tree, rename)
    assert [each.name for each in walk(renamed) if isinstance(each, Ref)] == [
        name + "_" for name in names
    ]
    assert transform(tree, lambda expr: expr) == tree
    assert children(Conditional(A, B, C)) == (B, A, C)


def test_expressions_of_statements_are_reached_wherever_they_stand() -> None:
    parameter = Parameter("p", Ref("type1"), Ref("default1"))
    body = (
        Assign(Ref("target"), Ref("value"), None, Ref("annotation")),
        If(Ref("condition"), (Yield(Ref("yielded")),), (Return(Ref("orelse")),)),
        For(Ref("item"), Ref("items"), (Break(), ExpressionStatement(call("called")))),
        With(Ref("context"), (Return(None),)),
        Comment("comment"),
    )
    function = FunctionDef("f", (parameter,), Ref("returned"), "doc", body, (Ref("decorator1"),))
    whole = ClassDef("C", (Ref("base"),), None, (function,), (Ref("decorator2"),))
    names = [each.name for each in walk_statements([whole]) if isinstance(each, Ref)]
    expected = (
        "annotation base called condition context decorator1 decorator2 default1 item items "
        "orelse returned target type1 value yielded"
    )
    assert " ".join(sorted(names)) == expected

    def rename(expr: Expr) -> Expr:
        return Ref(f"new_{expr.name}") if isinstance(expr, Ref) else expr

    renamed = rewritten(whole, lambda expr: transform(expr, rename))
    new = [each.name for each in walk_statements([renamed]) if isinstance(each, Ref)]
    assert new == [f"new_{name}" for name in names]
    assert rewritten(whole, lambda expr: expr) == whole


def test_unify_keeps_what_is_equal_and_resolves_what_differs() -> None:
    seen: list[tuple[Lit, ...]] = []

    def resolve(leaves: tuple[Lit, ...]) -> Expr:
        seen.append(leaves)
        return Ref(leaves[0].field or "none")

    trees = [
        Call(
            Ref("nn.Conv2d"),
            (Lit(64), Lit(width, "width")),
            (Keyword("stride", Lit(stride, "stride"), Lit(1)), Keyword("bias", Lit(False))),
        )
        for width, stride in ((64, 1), (128, 2), (128, 1))
    ]
    unified = unify(trees, resolve)
    assert unified is not None
    assert printed(unified) == "nn.Conv2d(64, width, stride=stride, bias=False)"
    assert [[leaf.value for leaf in leaves] for leaves in seen] == [[64, 128, 128], [1, 2, 1]]
    same = unify([trees[0], trees[0]], resolve)
    assert same == trees[0]
    assert len(seen) == 2


@pytest.mark.parametrize(
    "trees",
    [
        (A, B),
        (Lit(1), A),
        (call("f", 1), call("g", 1)),
        (call("f", 1), call("f", 1, 2)),
        (call("f", 1), call("f", k=1)),
        (call("f", k=1), call("f", m=1)),
        (Binary("+", A, B), Binary("-", A, B)),
        (Index(A, (Slice(B),)), Index(A, (Slice(None, B),))),
        (FString(("a", A)), FString(("b", A))),
        (ListOf((A, B)), TupleOf((A, B))),
        (Generator(A, "i", B), Generator(A, "j", B)),
    ],
)
def test_unify_rejects_another_structure(trees: tuple[Expr, Expr]) -> None:
    assert unify(trees, lambda leaves: X) is None


def test_unify_passes_a_rejection_on() -> None:
    assert unify((call("f", 1), call("f", 2)), lambda leaves: None) is None


def test_unify_drops_comments_and_defaults_that_differ() -> None:
    def pool(size: int, comment: str) -> Expr:
        words = (Keyword("stride", Lit(2), Lit(size)),)
        return ListOf((Commented(Call(Ref("pool"), (Lit(size),), words), comment, "same"),))

    unified = unify((pool(2, "a"), pool(3, "b")), lambda leaves: Ref("size"))
    pooled = Call(Ref("pool"), (Ref("size"),), (Keyword("stride", Lit(2)),))
    assert unified == ListOf((Commented(pooled, None, "same"),))
