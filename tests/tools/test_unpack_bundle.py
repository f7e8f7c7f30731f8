"""An archive is unpacked whole and checked, or not at all."""

from __future__ import annotations

import stat
import zipfile

import pytest
import unpack_bundle as tool
from unpack_bundle import unpack_bundle

from meddiff_core.errors import InputError
from meddiff_core.files import sha256_of

FILES = {"LICENSE": b"free", "configs/metadata.json": b"{}"}


@pytest.fixture
def pack(tmp_path):
    """pack(entries={}, sums=those of the files) -> a zip of the bundle `ct_a` with further entries."""

    def make(entries=(), sums=None):
        path = tmp_path / "in" / "ct_a_v0.1.0.zip"
        path.parent.mkdir(exist_ok=True)
        lines = "".join(f"{sha256_of(data)}  {name}\n" for name, data in FILES.items())
        files = {f"ct_a/{name}": data for name, data in FILES.items()}
        files["ct_a/SHA256SUMS"] = (lines if sums is None else sums).encode()
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in [*files.items(), *entries]:
                archive.writestr(name, data)
        return path

    return make


def test_what_was_packed_is_there_again(pack, tmp_path):
    path = pack()
    unpack_bundle(str(path), str(tmp_path / "out"), sha256=sha256_of(path.read_bytes()))
    root = tmp_path / "out" / "ct_a"
    assert {name: (root / name).read_bytes() for name in FILES} == FILES
    assert [child.name for child in root.parent.iterdir()] == ["ct_a"]


def link():
    entry = zipfile.ZipInfo("ct_a/link")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/tmp/evil", "/tmp/evil lies outside"),
        ("../evil", "../evil lies outside"),
        ("ct_a/../../evil", "lies outside"),
        ("ct_a//tmp/evil", "lies outside"),
        ("ct_b/evil", "ct_b/evil lies outside"),
        ("ct_a/..\\evil", "lies outside"),
        ("C:/evil", "lies outside"),
        (link(), "ct_a/link is a link"),
        ("ct_a/license", "two files of one name"),
        ("ct_a/more", "more is not the file that its SHA256SUMS names"),
    ],
)
def test_an_unsafe_archive_leaves_nothing(pack, tmp_path, name, reason):
    with pytest.raises(InputError, match=r"ct_a_v0.1.0.zip is not unpacked because .*" + reason) as error:
        unpack_bundle(str(pack([(name, b"/etc/passwd")])), str(tmp_path / "out"))
    assert "\n" not in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


@pytest.mark.parametrize("sums", ["", f"{sha256_of(b'other')}  LICENSE\n"])
def test_a_changed_file_is_found(pack, tmp_path, sums):
    with pytest.raises(InputError, match="LICENSE is not the file"):
        unpack_bundle(str(pack(sums=sums)), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_strange_folder_and_a_bomb_are_refused(pack, tmp_path, monkeypatch):
    path = tmp_path / "strange.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(".ssh/authorized_keys", b"")
    with pytest.raises(InputError, match=r"folder is named '\.ssh'"):
        unpack_bundle(str(path), str(tmp_path))
    monkeypatch.setattr(tool, "LARGEST", 10)
    with pytest.raises(InputError, match="unpacks to more than"):
        unpack_bundle(str(pack()), str(tmp_path / "out"))


def test_another_archive_a_damaged_one_and_none_are_refused(pack, tmp_path):
    path = pack()
    with pytest.raises(InputError, match="has another SHA-256 than 00ff"):
        unpack_bundle(str(path), str(tmp_path / "out"), sha256="00ff")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match="is no readable zip"):
        unpack_bundle(str(path), str(tmp_path / "out"))
    with pytest.raises(InputError, match=r"nowhere.zip does not exist"):
        unpack_bundle(str(tmp_path / "nowhere.zip"))


def test_a_bundle_that_is_there_is_kept(pack, tmp_path):
    (tmp_path / "out" / "ct_a").mkdir(parents=True)
    with pytest.raises(InputError, match="ct_a exists: move it away"):
        unpack_bundle(str(pack()), str(tmp_path / "out"))
