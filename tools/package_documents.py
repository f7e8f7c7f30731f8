"""The documents of a package: what a bundle's README says of the repository, said of the package."""

from __future__ import annotations

import re
from pathlib import Path

from release import ROOT

_REPOSITORY_ONLY = re.compile(r"<!-- repository -->.*?<!-- end -->", re.DOTALL)
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
_PREPARE = "python -m meddiff_core.preparation"


def package_documents(bundle: Path) -> dict[str, bytes]:
    """A bundle's README as a package has it, with the pages and the pictures that it leads to.

    Commands run in the bundle's own folder, pages are named by their paths, and what the repository alone
    has is left out: parts between `<!-- repository -->` and `<!-- end -->`, and links to other bundles.

    Args:
        bundle: folder of the bundle in the repository.

    Returns:
        content by path below the package. Pictures lie in the root, too: Hugging Face shows the README there.
    """
    folder = bundle / "docs"
    readme = (folder / "README.md").read_text(encoding="utf-8")
    readme = re.sub(r"\n{3,}", "\n\n", _REPOSITORY_ONLY.sub("", readme))
    pages = _pages_from(folder / "README.md", readme)
    pictures = [target for mark, _, target in _LINK.findall(readme) if mark]
    files = {"docs/README.md": _LINK.sub(_in_card, _in_own_folder(readme, bundle.name)).encode()}
    files |= {f"docs/{page.name}": _page(page).encode() for page in sorted(pages)}
    return files | {name: (folder / name).read_bytes() for name in pictures}


def _in_own_folder(text: str, name: str) -> str:
    """Commands for the folder of the package."""
    for old, new in (
        ("From the repository's root", "From this bundle's folder"),
        ("python tools/prepare_data.py", _PREPARE),
        ("tools/prepare_data.py", _PREPARE),
        (f"bundles/{name}/", ""),
        (f"bundles/{name}", "."),
    ):
        text = text.replace(old, new)
    return text


def _in_card(link: re.Match) -> str:
    """A link as it is true in `docs/` and in the root."""
    mark, words, target = link.groups()
    if mark or target.startswith(("#", "http")):
        return link[0]
    path = f"`docs/{Path(target).name.partition('#')[0]}`"
    if target.startswith("../../../docs/") or "/" not in target:
        return path if words == Path(target).name else f"{words} ({path})"
    return words


def _page(path: Path) -> str:
    """A page of the repository, without the links that leave its folder."""
    text = _LINK.sub(
        lambda link: link[2] if link[3].startswith("../") else link[0], path.read_text(encoding="utf-8")
    )
    return text.replace("\n", "\n\n*A page of the repository. Its commands run there.*\n", 1)


def _pages_from(document: Path, text: str) -> set[Path]:
    """The pages of the repository's `docs/` that a document leads to, directly or from page to page."""
    found: set[Path] = set()
    texts = [(document, text)]
    while texts:
        source, content = texts.pop()
        for _, _, target in _LINK.findall(content):
            page = (source.parent / target.partition("#")[0]).resolve()
            if page.parent == ROOT / "docs" and page.suffix == ".md" and page not in found:
                found.add(page)
                texts.append((page, page.read_text(encoding="utf-8")))
    return found
