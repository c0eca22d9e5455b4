"""What a GPU runs gives what the networks give as they are."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn

from napari_sft.models import closed_loop
from napari_sft_training.config import TrainingConfig
from napari_sft_training.gpu import networks
from napari_sft_training.gpu.networks import (
    DenseConv2d,
    compile_parts,
    make_dense,
)
from napari_sft_training.loss import rate_distortion
from napari_sft_training.models import build

CORRECTIONS = 2


@pytest.fixture(scope='module')
def new_model(tiny_sizes):
    """A function that makes the same model each time."""
    sizes = {
        **tiny_sizes,
        'channels': [32, 48, 64],  # so that convolutions have groups
        'decoder_blocks': [3, 3, 3],
        'feedback_channels': 8,
    }

    def made():
        torch.manual_seed(0)
        model = build(TrainingConfig(sizes=sizes, corrections=CORRECTIONS))
        model.turns = CORRECTIONS
        return model

    return made


def loss_and_slopes(model):
    torch.manual_seed(1)  # of the noise
    x, q = torch.rand(2, 3, 64, 64), torch.rand(2, 1, 64, 64)
    learning = [p for p in model.parameters() if p.requires_grad]
    loss = rate_distortion(x, q, model(x, q)).total.mean()
    slopes = torch.autograd.grad(loss, learning, allow_unused=True)
    return loss, [torch.zeros(()) if s is None else s for s in slopes]


def assert_alike(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@dataclass
class Compiled:
    """What a model gives as it is and compiled, and what was compiled."""

    expected: Any
    found: Any
    graphs: list[int]  # after each of two passes
    breaks: int
    learnt_inside: list[bool]  # whether a parameter did, in each correction
    learning: list[list[bool]]  # before and after
    wrapped_once: bool


@pytest.fixture(scope='module')
def compiled(new_model):
    """All of torch.compile but what writes kernels, which takes minutes."""
    model, learnt_inside = new_model(), []
    make_dense(model)
    expected = loss_and_slopes(model)
    learning = [[p.requires_grad for p in model.parameters()]]
    original = networks.error_in_symbols

    def noted(network, *inputs):
        learnt_inside.append(
            any(p.requires_grad for p in network.parameters())
        )
        return original(network, *inputs)

    counters = torch._dynamo.utils.counters
    torch._dynamo.reset()
    counters.clear()
    graphs = []
    with pytest.MonkeyPatch.context() as patch:
        compiler = functools.partial(torch.compile, backend='aot_eager')
        patch.setattr(torch, 'compile', compiler)
        patch.setattr(networks, 'error_in_symbols', noted)
        # replaced below, for as long as this lasts
        patch.setattr(closed_loop, 'error_in_symbols', original)
        compile_parts(model)
        wrapped = closed_loop.error_in_symbols
        compile_parts(new_model())
        wrapped_once = closed_loop.error_in_symbols is wrapped
        for _ in range(2):
            found = loss_and_slopes(model)
            graphs.append(counters['stats']['unique_graphs'])
    learning.append([p.requires_grad for p in model.parameters()])
    yield Compiled(
        expected,
        found,
        graphs,
        sum(counters['graph_break'].values()),
        learnt_inside,
        learning,
        wrapped_once,
    )
    torch._dynamo.reset()


def test_dense_convolutions_give_what_grouped_ones_do(new_model):
    network = new_model().network.requires_grad_()
    grouped = [
        module
        for module in network.modules()
        if isinstance(module, nn.Conv2d) and module.groups > 1
    ]
    assert grouped
    for conv in grouped:
        x = torch.randn(1, conv.in_channels, 8, 8)
        expected = conv(x)
        expected.square().sum().backward()
        slope, conv.weight.grad = conv.weight.grad, None
        make_dense(conv)
        torch.testing.assert_close(conv(x), expected, rtol=1e-4, atol=1e-4)
        conv(x).square().sum().backward()
        torch.testing.assert_close(
            conv.weight.grad, slope, rtol=1e-3, atol=1e-3
        )


def test_a_model_of_dense_convolutions_gives_what_it_gave(new_model):
    model = new_model()
    expected = loss_and_slopes(model)
    make_dense(model)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            assert isinstance(module, DenseConv2d) == (module.groups > 1)
    assert any(isinstance(m, DenseConv2d) for m in model.modules())
    assert_alike(loss_and_slopes(model), expected)


def test_compiled_parts_give_what_they_are_compiled_from(compiled):
    assert_alike(compiled.found, compiled.expected)


def test_parts_alike_are_compiled_once_and_whole(compiled):
    # one by one, the nine blocks of g_s alone would be 18 graphs, with and
    # without gradients of parameters; by width they are six
    others = 15  # of g_a, h_a, the context, the feedback and the rates
    assert 0 < compiled.graphs[0] <= others + 6
    assert compiled.graphs[1] == compiled.graphs[0]
    assert compiled.breaks == 0


def test_gradients_in_y_are_not_those_of_parameters(compiled):
    assert compiled.learnt_inside == [False] * (2 * CORRECTIONS)
    before, after = compiled.learning
    assert any(before)
    assert after == before


def test_compiling_a_second_model_wraps_nothing_twice(compiled):
    assert compiled.wrapped_once
