"""What a volume file really holds: its kind where that is not what the suffix says, and its checksum."""

from __future__ import annotations

import zlib
from pathlib import Path

from meddiff_core.errors import InputError

_GZIP = b"\x1f\x8b"
_NIFTI = (".nii", ".nii.gz")
# Place and bytes by which a kind of file is known, suffixes that it may have, what it is and what to do.
_KINDS = (
    (344, b"n+1", _NIFTI, "holds NIfTI: let its name end with .nii"),
    (4, b"n+2", _NIFTI, "holds NIfTI: let its name end with .nii"),
    (0, _GZIP, (), "is compressed by gzip: unpack it, or let its name end with .nii.gz if it is NIfTI"),
    (0, b"NRRD", (".nrrd",), "holds NRRD: let its name end with .nrrd"),
    (0, b"ObjectType", (".mha",), "holds MetaImage: let its name end with .mha"),
    (128, b"DICM", (), "holds a DICOM image: give the folder of its series"),
    (0, b"\x89PNG", (), "holds a picture: give the CT itself"),
    (0, b"\xff\xd8\xff", (), "holds a picture: give the CT itself"),
    (0, b"PK\x03\x04", (), "holds a zip archive: unpack it"),
    (0, b"<", (), "holds a web page: download the file again"),
    (0, b"version https://git-lfs", (), "holds a Git LFS pointer: fetch the file itself"),
)
_BLOCK = 2**20


def check_kind(content: bytes, suffix: str, path: Path) -> None:
    """Refuse a file that is known to hold something else than its suffix says.

    Args:
        content: how it begins, 512 bytes at least.
        suffix: in lower case, as `volume_suffix` tells it.
        path: begins the sentence.
    """
    if not content:
        raise InputError(f"{path} cannot be read: it is empty; get it again.")
    for place, sign, suffixes, kind in _KINDS:
        if content.startswith(sign, place) and suffix not in suffixes:
            raise InputError(f"{path} cannot be read: it {kind}.")


def unzipped(path: Path) -> bytes:
    """The content of a file, which may be compressed by gzip, read to the end: the checksum stands there.

    What follows the compressed data is passed over, as gzip does.

    Raises:
        InputError: the checksum is wrong, or the end is missing.
    """
    packed = path.read_bytes()
    if not packed.startswith(_GZIP):
        return packed
    parts = []
    while packed.startswith(_GZIP):
        member = zlib.decompressobj(wbits=31)
        try:
            parts.append(member.decompress(packed))
        except zlib.error as error:
            raise _damaged(path) from error
        if not member.eof:
            raise _cut_short(path)
        packed = member.unused_data
    return b"".join(parts)


def check_mha(path: Path, size: int) -> None:
    """Read the compressed data of a MetaImage to the end: ITK takes what it got when the checksum is wrong.

    Args:
        path: the file.
        size: bytes of its voxels.

    Raises:
        InputError: they are damaged or cut short.
    """
    with path.open("rb") as file:
        header = {}
        for line in file:
            key, _, value = (part.strip() for part in line.partition(b"="))
            header[key] = value
            if key == b"ElementDataFile":
                break
        if header.get(b"CompressedData", b"").lower() != b"true" or value != b"LOCAL":
            return
        stream, found = zlib.decompressobj(wbits=47), 0  # zlib's header or gzip's
        try:
            for block in iter(lambda: file.read(_BLOCK), b""):
                found += len(stream.decompress(block))
        except zlib.error as error:
            raise _damaged(path) from error
    if not stream.eof or found != size:
        raise _cut_short(path)


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} cannot be read: its compressed data are damaged; get it again.")


def _cut_short(path: Path) -> InputError:
    return InputError(f"{path} cannot be read: it is cut short; get it again.")
