"""Spectra of noise: what is drawn has them, and what the network is told tells them apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from meddiff_core.physics.noise_spectrum import CODE_LENGTH, NoiseSpectrum

SHAPE = (48, 48, 40)
SPECTRA = {
    "white": NoiseSpectrum(),
    "scanner": NoiseSpectrum.of_scanner((1.0, 1.0, 2.5)),
    "random": NoiseSpectrum.random(np.random.default_rng(3)),
}


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", SPECTRA)
def test_noise_has_unit_variance_and_the_spectrum_it_was_drawn_with(name):
    spectrum = SPECTRA[name]
    draws = torch.stack([spectrum.draw(SHAPE, _generator(seed)) for seed in range(24)])
    assert float(draws.var()) == pytest.approx(1.0, abs=0.05)
    assert abs(float(draws.mean())) < 0.02
    measured = torch.fft.fftn(draws, dim=(1, 2, 3)).abs().square().mean(dim=0) / draws[0].numel()
    power = spectrum.power(SHAPE)
    for band in (power >= power.quantile(0.7), power <= power.quantile(0.5)):
        assert float(measured[band].mean()) == pytest.approx(float(power[band].mean()), rel=0.08, abs=1e-3)


def test_the_same_seed_draws_the_same_noise():
    first, again = (SPECTRA["scanner"].draw(SHAPE, _generator(5)) for _ in range(2))
    assert torch.equal(first, again)


def test_white_noise_is_plain_noise_and_its_code_is_zero():
    white = NoiseSpectrum()
    torch.testing.assert_close(white.draw(SHAPE, _generator()), torch.randn(SHAPE, generator=_generator()))
    assert torch.equal(white.code(), torch.zeros(CODE_LENGTH))
    assert torch.equal(white.code(local=True), torch.eye(CODE_LENGTH)[-1])


def test_the_mean_power_is_one_over_the_whole_spectrum():
    for shape in ((48, 48, 40), (31, 20, 7), (32, 32)):
        assert float(SPECTRA["scanner"].power(shape).mean()) == pytest.approx(1.0, rel=1e-4)


def test_the_code_tells_smooth_from_sharp_and_thin_from_thick():
    sharp, smooth = (NoiseSpectrum(np.linspace(a, b, 9), [1, 1]).code() for a, b in ((0, 1), (1, 0)))
    assert sharp[0] < 0 < sharp[4] and smooth[4] < 0 < smooth[0]
    assert torch.equal(sharp[5:], torch.zeros(4))
    thick = NoiseSpectrum([1, 1], [1, 0]).code()
    assert thick[5] > 0 > thick[7] and torch.equal(thick[:5], torch.zeros(5))


def test_the_code_does_not_depend_on_the_scale_of_the_tables():
    spectrum = SPECTRA["random"]
    louder = NoiseSpectrum(np.array(spectrum.radial) * 7, np.array(spectrum.axial) * 3)
    torch.testing.assert_close(louder.code(), spectrum.code())


def test_random_spectra_differ_and_stay_finite():
    rng = np.random.default_rng(0)
    codes = torch.stack([NoiseSpectrum.random(rng).code() for _ in range(200)])
    assert torch.isfinite(codes).all()
    assert (codes[:, :8].std(dim=0) > 0.15).all()
    assert (codes[:, 5:8] == 0).all(dim=1).float().mean() > 0.2  # slices without correlation
