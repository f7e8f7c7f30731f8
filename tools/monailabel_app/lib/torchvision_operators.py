"""Let torchvision load beside a CPU build of torch where there is no CPU build of torchvision."""

from __future__ import annotations

from torch import library


def declare_operators() -> None:
    """Declare the operators whose absence ends `import torchvision` where its compiled part does not load.

    MONAI Label imports `make_grid` and `save_image`, which are Python. The operators stay without a body: who
    calls one gets torchvision's own message that its compiled part is missing. Where torchvision loads as it
    is, nothing happens.
    """
    try:
        import torchvision  # noqa: F401
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
        for name in ("nms", "qnms"):
            schema = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            library.define(f"torchvision::{name}", schema)
