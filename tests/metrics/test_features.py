"""Feature extractors with untrained networks."""

import numpy as np
import pytest
import torch
from monai.networks.nets import resnet10

from meddiff_core.errors import InputError
from meddiff_core.metrics.features import feature_extractor
from meddiff_core.networks.ct_denoiser import CTDenoiser


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return CTDenoiser().eval()


@pytest.fixture(scope="module")
def medicalnet(tmp_path_factory):
    """A checkpoint as MedicalNet saves it."""
    torch.manual_seed(0)
    network = resnet10(n_input_channels=1, feed_forward=False, bias_downsample=False, shortcut_type="B")
    path = tmp_path_factory.mktemp("weights") / "resnet_10_23dataset.pth"
    torch.save({"state_dict": {f"module.{key}": v for key, v in network.state_dict().items()}}, path)
    return path


@pytest.mark.parametrize(("shape", "vectors"), [((40, 32, 30), 1), ((72, 24, 24), 2)])
def test_a_vector_per_block(network, shape, vectors):
    extractor = feature_extractor(network)
    features = extractor(np.zeros(shape, np.int16))
    assert extractor.name == "foundation bottleneck"
    assert features.shape == (vectors, 96) and features.dtype == torch.float32
    # Nothing but the image counts: equal blocks, equal vectors.
    torch.testing.assert_close(features, features[:1].expand_as(features))


def test_features_follow_the_image_within_the_window(network):
    extractor = feature_extractor(network)
    volume = np.random.default_rng(0).normal(0, 300, (32, 32, 32))
    features = extractor(volume)
    torch.testing.assert_close(features, extractor(np.clip(volume, -1400, 400)))
    assert not torch.allclose(features, extractor(volume / 2), rtol=1e-3)
    assert not network.unet.middle_block.resnet_2.norm2._forward_hooks


def test_medicalnet(network, medicalnet):
    extractor = feature_extractor(network, medicalnet)
    assert extractor.name == "MedicalNet ResNet-10"
    assert extractor(np.zeros((72, 24, 24))).shape == (2, 512)


def test_unusable_weights(network, medicalnet, tmp_path):
    for name, sentence in (("resnet_18.pth", "no checkpoint of MedicalNet ResNet-18"), ("net.pth", "depth")):
        path = tmp_path / name
        path.write_bytes(medicalnet.read_bytes())
        with pytest.raises(InputError, match=sentence):
            feature_extractor(network, path)
    with pytest.raises(InputError, match="resnet_50"):
        feature_extractor(network, tmp_path / "resnet_50.pth")
