"""Links and pictures of the Markdown files lead somewhere in the repository."""

from __future__ import annotations

import pytest
from doc_commands import DOCUMENTS, ROOT, text_of
from zoo_rules.markdown import anchors, links


@pytest.mark.parametrize("document", [*DOCUMENTS, "CHANGELOG.md"])
def test_relative_links_lead_to_files_and_headings(document):
    for link in links(text_of(document)):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / document).parent / name if name else ROOT / document
        assert target.exists(), f"{link}: no such file"
        assert target.resolve().is_relative_to(ROOT), f"{link}: outside the repository"
        if anchor:
            assert anchor in anchors(target.read_text()), f"{link}: no such heading"


@pytest.mark.parametrize("picture", sorted(ROOT.glob("docs/**/*.png")), ids=lambda path: path.name)
def test_every_picture_is_shown_and_small(picture):
    shown = [(ROOT / document).parent / link for document in DOCUMENTS for link in links(text_of(document))]
    assert any(path.exists() and path.samefile(picture) for path in shown)
    assert picture.stat().st_size < 400_000
