"""Every link and anchor leads somewhere, and every page can be found from the index."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, GENERATED, ROOT, anchors, links, pages, prose, slug

INDEX = DOCS / "README.md"
OUTWARD = ("https://", "http://", "mailto:")


def names(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", pages(), ids=names)
def test_every_relative_link_and_anchor_leads_somewhere(page: Path) -> None:
    lost = []
    for link in links(page):
        if link.startswith(OUTWARD):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.is_relative_to(ROOT) or not target.exists():
            lost.append(f"{link}: there is no such file")
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            lost.append(f"{link}: {names(target)} has no such heading")
    assert lost == []


def test_the_index_leads_to_every_page_once_and_in_the_readers_order() -> None:
    linked = Counter(
        (INDEX.parent / link.partition("#")[0]).resolve() for link in links(INDEX) if not link.startswith(OUTWARD)
    )
    wanted = {page for page in pages() if page.is_relative_to(DOCS) and page != INDEX}
    wanted -= {page for page in wanted if page.parent == GENERATED / "events" and page.name != "README.md"}
    assert sorted(names(page) for page in wanted if page not in linked) == [], "not linked from docs/README.md"
    assert {names(page): times for page, times in linked.items() if times > 1} == {}, "linked more than once"
    kinds = [slug(line.lstrip("# ")) for line in prose(INDEX).splitlines() if line.startswith("## ")]
    assert kinds[:5] == ["start", "guides", "concepts", "reference", "decisions"]


def test_every_page_is_of_one_of_the_kinds() -> None:
    kinds = {page.relative_to(DOCS).parts[0] for page in pages() if page.is_relative_to(DOCS)}
    assert kinds == {"README.md", "start", "guides", "concepts", "reference", "adr"}


def test_a_decision_has_a_number_of_its_own_and_its_title_is_the_decision() -> None:
    decisions = sorted((DOCS / "adr").glob("*.md"))
    assert [int(page.name[:4]) for page in decisions] == list(range(1, len(decisions) + 1))
    for number, page in enumerate(decisions, 1):
        title = page.read_text(encoding="utf-8").splitlines()[0]
        assert title.startswith(f"# {number}. "), page.name
        assert len(title.split()) >= 6, f"{page.name}: a title that says what was decided"


def test_the_reader_of_links_sees_what_readers_see(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One *and* `two`\n\n## Same\n## Same\n\n[a](b.md#c) `[not](a-link)` [`code`](x.md)\n"
        "```text\n[nor](this)\n```\n<!-- [nor](that) -->\n"
    )
    assert links(page) == ["b.md#c", "x.md"]
    assert anchors(page) == {"one-and-two", "same", "same-1"}
