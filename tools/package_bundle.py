"""Make a stand-alone zip of each bundle: configs, documents, complete weights, and the package they need.

example:
  python tools/package_bundle.py --output_dir dist --bundles ct_denoising,ct_super_resolution
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import torch
from package_documents import package_documents
from release import ROOT, SUMS, WEIGHTS, chosen_bundles, weight_sources

from meddiff_core.commands import run_command
from meddiff_core.files import sha256_of, whole_file
from meddiff_core.networks.weights import read_state, whole_state

# Config ids that name the folder of another bundle, whose weights a package holds itself.
ROOTS = ("foundation_root", "generation_root")
# The first moment that a zip can name: the same files give the same bytes whenever they are packed.
DATE = (1980, 1, 1, 0, 0, 0)


def package_bundle(output_dir: str = "dist", bundles: str | Sequence[str] | None = None) -> None:
    """Write NAME_vVERSION.zip for each bundle, and `SHA256SUMS` of all zips in the folder.

    The same repository gives the same bytes. A package differs from its bundle in four things: `meddiff_core`
    lies in it; `models/model.pt` is complete (foundation and control part); `foundation_root` and
    `generation_root` are the package's own folder; metadata and documents say so.

    Args:
        output_dir: folder of the zips, made if it is not there.
        bundles: names, comma-separated; all of them unless given.

    Raises:
        InputError: a bundle is unknown, its weights are missing, or the folder cannot be written.
    """
    folder = Path(output_dir)
    for bundle in chosen_bundles(bundles):
        files = package_files(bundle)
        version = json.loads(files["configs/metadata.json"])["version"]
        archive = folder / f"{bundle.name}_v{version}.zip"
        data = _zip(bundle.name, files)
        with whole_file(archive) as draft:
            draft.write_bytes(data)
        print(f"{archive}  {len(data) / 1e6:.1f} MB, SHA-256 {sha256_of(data)}")
    sums = {path.name: sha256_of(path.read_bytes()) for path in folder.glob("*.zip")}
    with whole_file(folder / SUMS) as draft:
        draft.write_bytes(_sums(sums))


_FOLDERS = ("configs", "docs", "models")


def package_files(bundle: Path) -> dict[str, bytes]:
    """What a bundle's package holds: content by path below its folder.

    Args:
        bundle: folder of the bundle in the repository.
    """
    # nothing else: a run inside the bundle's folder leaves results of patients there
    parts = [bundle / "LICENSE", *(path for name in _FOLDERS for path in _files(bundle / name))]
    files = {path.relative_to(bundle).as_posix(): path.read_bytes() for path in parts}
    files |= {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in _files(ROOT / "meddiff_core")}
    sources = weight_sources(bundle)
    files[WEIGHTS] = _complete_weights(sources)
    for name in [name for name in files if name.startswith("configs/") and name.endswith(".json")]:
        files[name] = _own_roots(files[name])
    metadata = json.loads(files["configs/metadata.json"])
    named = [WEIGHTS, *(name for name in metadata["weights_sha256"] if name in files)]
    metadata["weights_sha256"] = {name: sha256_of(files[name]) for name in named}
    files["configs/metadata.json"] = _json(metadata)
    files |= package_documents(bundle) | {"docs/data_license.txt": _licences(sources)}
    files[SUMS] = _sums({name: sha256_of(data) for name, data in files.items()})
    return files


def _files(folder: Path) -> list[Path]:
    """Files below a folder, without caches and hidden ones."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return [
        path
        for path in paths
        if not any(part == "__pycache__" or part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def _complete_weights(sources: list[Path]) -> bytes:
    """A file of all weights; torch writes the same bytes for the same tensors where it knows no file name."""
    states = [read_state(source) for source in sources]  # checks them, too
    if len(sources) == 1:
        return sources[0].read_bytes()
    buffer = io.BytesIO()
    torch.save(whole_state(*states), buffer)
    return buffer.getvalue()


def _own_roots(config: bytes) -> bytes:
    """A config whose weights lie in the bundle's own folder."""
    content = json.loads(config)
    roots = {key: "@bundle_root" for key in ROOTS if key in content}
    return _json(content | roots) if roots else config


def _licences(sources: list[Path]) -> bytes:
    """The licences of all data behind the weights."""
    parts = []
    for bundle in (source.parents[1] for source in sources):
        text = (bundle / "docs" / "data_license.txt").read_text(encoding="utf-8").strip()
        parts.append(f"Weights of {bundle.name}\n\n{text}\n")
    return "\n".join(parts).encode()


def _json(content: dict) -> bytes:
    return (json.dumps(content, indent=4) + "\n").encode()


def _sums(sums: dict[str, str]) -> bytes:
    """Lines as `sha256sum --check` reads them."""
    return "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()


def _zip(folder: str, files: dict[str, bytes]) -> bytes:
    """An archive that is the same on every machine and day; uncompressed, as zlib's bytes vary by version."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(f"{folder}/{name}", DATE)
            entry.create_system = 3  # Unix, which the permissions below belong to
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, files[name])
    return buffer.getvalue()


if __name__ == "__main__":
    run_command(package_bundle)
