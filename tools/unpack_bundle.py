"""Unpack a bundle's zip after checking it: nothing outside its folder, no links, every SHA-256 as named.

example:
  python tools/unpack_bundle.py dist/ct_denoising_v0.1.0.zip --output_dir bundles
"""

from __future__ import annotations

import lzma
import os
import re
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import fire

from meddiff_core.errors import InputError, show_sentences
from meddiff_core.files import sha256_of

SUMS = "SHA256SUMS"
# Ours have some 15 MB; a larger one would rather fill the disk than be a bundle.
LARGEST = 1_000_000_000
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError)


def unpack_bundle(archive: str, output_dir: str = ".", sha256: str | None = None) -> None:
    """Unpack `archive` into a new folder of the bundle's name in `output_dir`, whole or not at all.

    Args:
        archive: a zip of `package_bundle.py`.
        output_dir: the folder around the bundle's.
        sha256: what the archive's own SHA-256 has to be, from a source you trust: the sums in the archive
            find damage, not somebody who made another archive.

    Raises:
        InputError: the archive is damaged, unsafe or not the named one, or the bundle's folder exists.
    """
    path = Path(str(archive))
    if not path.is_file():
        raise InputError(f"{path} does not exist: check the path.")
    if sha256 is not None and sha256_of(path.read_bytes()) != str(sha256).lower():
        raise InputError(f"{path} has another SHA-256 than {sha256}: get it again from a source you trust.")
    try:
        with zipfile.ZipFile(path) as file:
            folder = _checked_folder(file)
            target = Path(str(output_dir), folder)
            if target.exists():
                raise InputError(f"{target} exists: move it away or choose another --output_dir.")
            files = _checked_files(file, folder)
    except _DAMAGED as error:
        raise InputError(f"{path} is no readable zip archive ({error}): get it again.") from error
    _write(files, target)
    print(f"{target}  {len(files)} files")


def _checked_folder(file: zipfile.ZipFile) -> str:
    """The one folder that everything in the archive lies in."""
    entries = file.infolist()
    names = [entry.filename for entry in entries]
    folder = names[0].partition("/")[0] if names else ""
    for entry in entries:
        parts = PurePosixPath(entry.filename).parts
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _unsafe(file, f"{entry.filename} is a link or device")
        plain = "/".join(parts) == entry.filename.rstrip("/") and not {"\\", ":"} & set(entry.filename)
        if not parts or not plain or ".." in parts or parts[0] != folder:
            raise _unsafe(file, f"{entry.filename} lies outside of the bundle's folder")
    if not re.fullmatch(r"\w[\w.-]*", folder):
        raise _unsafe(file, f"its folder is named {folder!r}")
    if len({name.lower() for name in names}) < len(names):
        raise _unsafe(file, "it holds two files of one name")
    if sum(entry.file_size for entry in entries) > LARGEST:
        raise _unsafe(file, f"it unpacks to more than {LARGEST / 1e9:g} GB")
    return folder


def _checked_files(file: zipfile.ZipFile, folder: str) -> dict[str, bytes]:
    """Content by path below the bundle's folder, compared with the archive's list of SHA-256."""
    start = len(folder) + 1
    files = {entry.filename[start:]: file.read(entry) for entry in file.infolist() if not entry.is_dir()}
    lines = files.get(SUMS, b"").decode("utf-8", "replace").splitlines()
    named = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    found = {name: sha256_of(data) for name, data in files.items() if name != SUMS}
    wrong = sorted(name for name in named.keys() | found.keys() if named.get(name) != found.get(name))
    if wrong:
        raise _unsafe(file, f"{wrong[0]} is not the file that its {SUMS} names")
    return files


def _unsafe(file: zipfile.ZipFile, reason: str) -> InputError:
    return InputError(
        f"{file.filename} is not unpacked because {reason}: get it again from a source you trust."
    )


def _write(files: dict[str, bytes], target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as draft:
            for name, data in files.items():
                path = Path(draft, target.name, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            os.rename(Path(draft, target.name), target)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"Cannot write {target} ({reason}): choose another --output_dir.") from error


if __name__ == "__main__":
    show_sentences()
    fire.Fire(unpack_bundle)
