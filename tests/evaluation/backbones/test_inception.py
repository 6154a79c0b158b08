"""Inception v3 of FID: against torch-fidelity's numbers for the same weights, and strict about what it is given."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from example_inception import published_weights, two_pictures
from torch import nn

from ganvas.errors import GanvasError
from ganvas.evaluation.backbones.contract import Backbone
from ganvas.evaluation.backbones.inception import Inception, inception_backbone, load_inception
from ganvas.evaluation.backbones.inception_names import PUBLISHED, from_published
from ganvas.evaluation.backbones.network import NetworkBackbone
from ganvas.evaluation.backbones.resize import resize_clean, resize_like_tensorflow_1
from ganvas.evaluation.backbones.weights import INCEPTION

CPU = torch.device("cpu")
# What torch-fidelity 0.4.0 gives for these weights and pictures (benchmarks/agreement_inception.py compares all).
FEATURES = [[0.035018321, 4.429580688, 1.977262735, 2.627621174], [0.044858672, 4.687234402, 2.015761852, 2.494271278]]
MEANS = [3.707428647, 3.783159707]
LOGITS = [[10.956706047, 10.782043457, -9.0258255, 1.628203869], [11.12845802, 10.870994568, -9.61334038, 1.797649264]]


@pytest.fixture(scope="module")
def net() -> Inception:
    return load_inception(from_published(published_weights(), "weights"), "weights")


@pytest.fixture(scope="module")
def backbone(net: Inception) -> NetworkBackbone:
    return inception_backbone(net, "ab" * 32, resize_like_tensorflow_1, CPU)


@pytest.fixture(scope="module")
def features(backbone: NetworkBackbone) -> torch.Tensor:
    return backbone.extract(two_pictures())


def test_features_are_those_of_torch_fidelity(features):
    assert (features.shape, features.dtype) == ((2, 2048), torch.float32)
    torch.testing.assert_close(features[:, :4], torch.tensor(FEATURES), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(features.mean(1), torch.tensor(MEANS), rtol=1e-4, atol=0)


def test_class_probabilities_are_of_the_logits_without_bias(net, backbone, features):
    logits = net.logits(features)
    torch.testing.assert_close(logits[:, :4], torch.tensor(LOGITS), rtol=1e-4, atol=1e-4)
    probabilities = backbone.probabilities_of(features)
    assert probabilities is not None
    torch.testing.assert_close(probabilities, logits.softmax(1))
    assert probabilities.shape == (2, 1008)


def test_the_published_graph_s_own_pools_are_there(net):
    """8 averages of what is there alone, and 5 maxima: two in the stem, two that halve, one in the last layer."""
    averages = [module for module in net.modules() if isinstance(module, nn.AvgPool2d)]
    assert len(averages) == 8
    assert not any(pool.count_include_pad for pool in averages)
    assert sum(isinstance(module, nn.MaxPool2d) for module in net.modules()) == 5
    assert net.layers.mixed_7c[3][0].kernel_size == 3
    assert isinstance(net.layers.mixed_7c[3][0], nn.MaxPool2d)


def test_a_picture_s_features_do_not_depend_on_its_batch_and_rows_choose(backbone, features):
    again = backbone.extract(two_pictures(), batch=1, rows=np.array([1]))
    torch.testing.assert_close(again, features[1:], rtol=1e-4, atol=1e-4)
    assert backbone.extract(two_pictures()[:0]).shape == (0, 2048)


def test_it_says_what_it_is(net, backbone):
    assert isinstance(backbone, Backbone)
    assert (backbone.name, backbone.hash, backbone.features) == ("inception-v3 with other weights", "ab" * 6, 2048)
    assert "TensorFlow 1" in backbone.resize
    assert "clean-fid" in inception_backbone(net, "ab" * 32, resize_clean, CPU).resize
    published = inception_backbone(net, INCEPTION.sha256, resize_clean, CPU)
    assert (published.name, published.hash) == ("inception-v3-fid", "6726825d0af5")


def test_every_tensor_must_be_there_with_its_shape_and_none_besides():
    weights = dict(Inception().state_dict())  # without memory, but with shapes
    assert len(weights) == len(PUBLISHED) == 472
    load_inception(weights, "all")
    lacking = {name: value for name, value in weights.items() if name != "layers.mixed_6c.2.3.shift"}
    with pytest.raises(GanvasError, match=r"file lacks 'layers\.mixed_6c\.2\.3\.shift': expected the 472 tensors"):
        load_inception(lacking, "file")
    with pytest.raises(GanvasError, match="file has 'extra': expected the 472"):
        load_inception({**weights, "extra": torch.zeros(1)}, "file")
    with pytest.raises(GanvasError, match=r"file has \[1000\] torch.float32 as classifier.bias, expected \[1008\]"):
        load_inception({**weights, "classifier.bias": torch.zeros(1000)}, "file")
    with pytest.raises(GanvasError, match=r"torch\.float16 as classifier.bias"):
        load_inception({**weights, "classifier.bias": torch.zeros(1008).half()}, "file")


def test_published_names_are_known_and_counters_of_training_passed_over():
    value = torch.zeros(1)
    given = {"Mixed_5b.branch_pool.bn.running_var": value, "Mixed_5b.branch_pool.bn.num_batches_tracked": value}
    assert list(from_published(given, "file")) == ["layers.mixed_5b.3.1.variance"]
    with pytest.raises(GanvasError, match=r"file has 'AuxLogits.fc.bias', which Inception v3 has not"):
        from_published({"AuxLogits.fc.bias": value}, "file")


def test_making_the_network_leaves_the_global_random_state_alone():
    before = torch.random.get_rng_state()
    Inception()
    assert torch.equal(torch.random.get_rng_state(), before)
