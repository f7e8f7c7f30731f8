"""Analytic CT phantoms with known anatomy and lesions, for demonstrations and tests."""

from meddiff_core.phantoms.phantom import Phantom, make_phantom

__all__ = ["Phantom", "make_phantom"]
