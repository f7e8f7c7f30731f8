"""MedDiff-FM (arXiv 2410.15432) as MONAI bundles: what the bundles' configs are built from."""

__version__ = "0.1.0"
