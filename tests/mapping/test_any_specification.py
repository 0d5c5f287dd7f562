"""Whatever somebody writes into a mapping is compiled or told, and what was compiled maps a document or fails typed."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from onhand.domain.mapping import MappingFailed, compile_mapping, read_spec
from onhand.domain.mapping.conditions import COMPARISONS, CONNECTIVES
from onhand.domain.mapping.heads import COMPANIONS, HEADS
from onhand.domain.mapping.mapping import EVENT_KEYS, MAPPING_KEYS
from onhand.domain.mapping.rules import COMMON
from onhand.domain.mapping.steps import KINDS, STEPS
from tests.mapping.mapped import context

OPTIONS = (
    "kind", "unknown", "name", "codes", "form", "zone", "by", "take", "pattern", "decimal", "thousands", "minus",
    "unit", "factors", "divide",
)  # fmt: skip
KEYS = sorted({*HEADS, *STEPS, *COMMON, *COMPANIONS, *COMPARISONS, *CONNECTIVES, *EVENT_KEYS, *MAPPING_KEYS, *OPTIONS})
WORDS = (
    "a", "b?", "a.b", "x[*]", "x[0]", "$", "^.a", ".", "{a}", "iso", "unix", "%Y", "UTC", "upper", "exact", "down",
    "fail", "keep", "in", "out", "0.5", "(a+)", "(a|b)*", "half_up", "", "\x00", "size(a) > 1", *KINDS,
)  # fmt: skip

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 1000), st.sampled_from(WORDS), st.text(max_size=5), st.floats()
)
specs: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)),
    max_leaves=25,
)


def rules(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Rules that are nearly right: one head, some steps."""
    step = st.dictionaries(st.sampled_from([*STEPS, *COMMON]), st.one_of(scalars, inner), max_size=3)
    head = st.one_of(
        st.fixed_dictionaries({"path": st.sampled_from(WORDS)}),
        st.fixed_dictionaries({"each": st.sampled_from(WORDS), "as": inner}),
        st.fixed_dictionaries({"fields": st.dictionaries(st.sampled_from("abc"), inner, max_size=2)}),
        st.fixed_dictionaries({"first_of": st.lists(inner, max_size=2)}),
        st.fixed_dictionaries({"sum": st.lists(inner, max_size=2)}),
        st.fixed_dictionaries({"text": st.sampled_from(WORDS)}),
        st.fixed_dictionaries(
            {"cel": st.sampled_from(WORDS), "with": st.dictionaries(st.sampled_from("ab"), inner, max_size=2)}
        ),
    )
    return st.builds(lambda one, more: {**more, **one}, head, step)


values = st.recursive(st.one_of(st.sampled_from(WORDS), specs), rules, max_leaves=6)
mappings = st.builds(
    lambda data, more: {"type": "x", "id": "{a}", "data": {"it": data}, **more},
    values,
    st.dictionaries(st.sampled_from(["when", "for_each", "group_by", "time", "subject", "tables"]), values, max_size=2),
)
documents = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from(["1", "a", "2026-03-01"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["a", "b", "x"]), inner)),
    max_leaves=10,
)


@given(spec=st.one_of(specs, mappings), document=documents)
def test_any_specification_is_compiled_or_told_and_any_document_maps_or_fails(spec: Any, document: Any) -> None:
    compiled, mistakes = read_spec(spec, name="any")
    for mistake in mistakes:
        assert mistake.found
        assert mistake.expected
        assert len(str(mistake)) < 1_500
    if mistakes:
        return
    try:
        compiled.apply(document, context(trace=True))
    except MappingFailed as failed:
        assert failed.rule  # noqa: PT017 - most documents do not fit


@given(value=values)
def test_a_mapping_is_compiled_the_same_each_time(value: Any) -> None:
    spec = {"direction": "out", "type": "x", "data": {"it": value}}
    _, first = read_spec(spec, name="any")
    _, second = read_spec(spec, name="any")
    assert first == second
    if not first:
        assert repr(compile_mapping(spec, name="any")) == "<mapping any (out)>"
