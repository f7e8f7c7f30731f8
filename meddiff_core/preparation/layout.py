"""How a data set lies on disk: which paths are CTs, and where the masks that belong to each are."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from meddiff_core.transforms.label_values import MaskValue
from meddiff_core.transforms.scans import VOLUME_SUFFIXES, scan_stem


class Masks(NamedTuple):
    """Mask files of one CT.

    Args:
        files: the files.
        separate: each file holds one structure, named by the file.
        label_map: see `Layout.labels`.
    """

    files: tuple[Path, ...] = ()
    separate: bool = False
    label_map: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Layout:
    """Where images and masks lie in a data set, and what the values in the masks mean.

    Paths are written without suffix and with `/`. Each `*` in an image pattern stands for a part of one name;
    masks and patient refer to those parts as `{0}`, `{1}`, and to the image's own name as `{name}`. A pattern
    may match below any folder, so it does not matter at which level of an archive the user points the tool.

    Args:
        images: patterns of the CTs; a DICOM series is its folder.
        ignore: patterns of names, with or without suffix, that are no CT although they match.
        labels: where the label map is, or with a `*` the masks, one per structure. The first hit counts. With
            each path, what its values mean: value, or end of the file's name, to label name; `None` for
            TotalSegmentator's own.
        lesions: where the lesion masks are. All hits count.
        patient: patient id made from the parts; `None` for the DICOM header, else the item itself.
        region: region name, or `auto` to derive it from each volume.
        lesion_value: which values of the lesion masks count, see `MaskValue`.
    """

    images: tuple[str, ...] = ("*",)
    ignore: tuple[str, ...] = ()
    labels: Mapping[str, Mapping[str, str] | None] = field(default_factory=dict)
    lesions: tuple[str, ...] = ()
    patient: str | None = None
    region: str = "auto"
    lesion_value: MaskValue = None

    def match(self, path: Path) -> Match | None:
        """What belongs to `path` if it is one of the CTs; `None` if it is not."""
        name = scan_stem(path)
        if any(fnmatch.fnmatch(text, pattern) for pattern in self.ignore for text in (name, path.name)):
            return None
        for pattern in self.images:
            parts = re.escape(pattern).replace(r"\*", "([^/]+)")
            found = re.fullmatch(rf"(?P<root>(?:.*/)?){parts}", path.with_name(name).as_posix())
            if found:
                return Match(self, Path(found["root"]), name, found.groups()[1:])
        return None


class Match(NamedTuple):
    """A CT of a layout: the folder that its pattern starts from, its name, and what the stars stand for."""

    layout: Layout
    root: Path
    name: str
    parts: tuple[str, ...]

    def labels(self) -> Masks:
        """Label map or structure masks of the CT."""
        found = (
            Masks(self._files(template), "*" in template, label_map)
            for template, label_map in self.layout.labels.items()
        )
        return next((masks for masks in found if masks.files), Masks())

    def lesions(self) -> Masks:
        """Lesion masks of the CT."""
        return Masks(tuple(file for template in self.layout.lesions for file in self._files(template)))

    def patient(self) -> str | None:
        """Patient id if the layout's paths tell it."""
        return self.layout.patient and self.layout.patient.format(*self.parts, name=self.name)

    def _files(self, template: str) -> tuple[Path, ...]:
        literal = template.format(*map(glob.escape, self.parts), name=glob.escape(self.name))
        pattern = os.path.normpath(os.path.join(glob.escape(str(self.root)), literal))
        return tuple(Path(file) for suffix in VOLUME_SUFFIXES for file in sorted(glob.glob(pattern + suffix)))
