"""What the trainer sees of a model is what the model does."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from napari_sft_training.config import TrainingConfig, config_of
from napari_sft_training.models import TrainableModel, build, coded_map


@pytest.fixture(params=['compact', 'song2021'])
def model(
    request: pytest.FixtureRequest,
    tiny_values: dict[str, Any],
    tiny_song2021: dict[str, int],
) -> TrainableModel[Any]:
    values = {**tiny_values, 'patch_size': 128, 'model': request.param}
    if request.param == 'song2021':
        values['sizes'] = tiny_song2021
    torch.manual_seed(0)
    return build(TrainingConfig(**values)).eval()


@pytest.fixture
def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    """Two pictures, and maps of one quality a cell on a grid of 31."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2, 3, 128, 128, generator=generator)
    cells = torch.randint(0, 32, (2, 1, 8, 8), generator=generator) / 31
    return x, cells


@torch.no_grad()
def test_bits_and_pictures_are_the_networks_own(model, inputs):
    x, cells = inputs
    q = cells.repeat_interleave(16, 2).repeat_interleave(16, 3)
    coded = model(x, q)
    if model.aux_parameters():
        output = model.network(x, q)
        rates = output.y_likelihoods, output.z_likelihoods
        y_bits, z_bits = (-rate.log2().sum((1, 2, 3)) for rate in rates)
        assert coded.aux == model.network.aux_loss()
    else:
        output = model.network(x, cells)
        y_bits, z_bits = (
            bits.sum((1, 2, 3)) for bits in (output.y_bits, output.z_bits)
        )
        assert coded.aux is None
    assert torch.equal(coded.x_hat, output.x_hat)
    assert torch.equal(coded.y_bits, y_bits)
    assert torch.equal(coded.z_bits, z_bits)


@torch.no_grad()
def test_a_map_of_cells_is_the_same_as_one_of_pixels(model, inputs):
    x, cells = inputs
    q = cells.repeat_interleave(16, 2).repeat_interleave(16, 3)
    by_cells, by_pixels = model(x, cells), model(x, q)
    torch.testing.assert_close(by_cells.x_hat, by_pixels.x_hat)
    torch.testing.assert_close(by_cells.y_bits, by_pixels.y_bits)


def test_every_parameter_has_one_optimiser(model):
    groups = model.parameter_groups()
    main = [p for group in groups.values() for p in group]
    learned = [id(p) for p in main + model.aux_parameters()]
    assert len(learned) == len(set(learned))
    assert set(learned) == {
        id(p) for p in model.parameters() if p.requires_grad
    }
    for key in groups:
        assert getattr(TrainingConfig(), key) > 0


@pytest.mark.parametrize(
    ('corrections', 'learning'),
    [
        (3, {'feedback', 'g_s', 'h_a', 'h_s', 'context', 'z_index'}),
        (
            0,
            {
                'g_a',
                'g_s',
                'h_a',
                'h_s',
                'context',
                'condition',
                'distribution',
                'log_gain',
                'kappa',
                'z_index',
            },
        ),
    ],
)
def test_what_learns_in_the_closed_loop_and_outside(
    tiny_values, corrections, learning
):
    model = build(
        TrainingConfig(**{**tiny_values, 'corrections': corrections})
    )
    learned = {
        id(p) for group in model.parameter_groups().values() for p in group
    }
    names = {
        name.split('.')[0]
        for name, parameter in model.network.named_parameters()
        if id(parameter) in learned
    }
    assert names == learning


@torch.no_grad()
def test_the_closed_loop_corrects_y(tiny_values, inputs):
    x, cells = inputs
    torch.manual_seed(0)
    model = build(TrainingConfig(**{**tiny_values, 'corrections': 2})).eval()
    model.start([x])
    coded, output = model(x, cells), model.network(x, cells)
    assert torch.equal(coded.z_bits, output.z_bits.sum((1, 2, 3)))
    assert not torch.equal(coded.y_bits, output.y_bits.sum((1, 2, 3)))


def test_training_draws_how_often_y_is_corrected(
    tiny_values, inputs, monkeypatch
):
    told = []

    def told_loop(network, x, q, corrections):
        told.append(corrections)
        return network(x, q)

    monkeypatch.setattr('napari_sft_training.models.closed_loop', told_loop)
    model = build(TrainingConfig(**{**tiny_values, 'corrections': 3}))
    torch.manual_seed(0)
    with torch.no_grad():
        for _ in range(40):
            model.train()(*inputs)
        assert set(told) == {1, 2, 3}
        model.eval()(*inputs)
    assert told[-1] == 3


def test_the_factorised_prior_is_song2021s_auxiliary():
    model = build(config_of({'model': 'song2021', 'sizes': {'N': 8, 'M': 8}}))
    names = {id(p): name for name, p in model.network.named_parameters()}
    assert all(
        names[id(p)].startswith('entropy_bottleneck.')
        for p in model.aux_parameters()
    )


def test_rates_of_song2021_are_told_in_float32_under_autocast(
    tiny_song2021, inputs
):
    config = config_of({'model': 'song2021', 'sizes': tiny_song2021})
    model = build(config).eval()
    with torch.autocast('cpu', torch.bfloat16):
        coded = model(*inputs)
    assert coded.x_hat.dtype == torch.float32
    assert coded.y_bits.dtype == coded.z_bits.dtype == torch.float32
    coded.aux.backward()
    assert model.network.entropy_bottleneck.quantiles.grad is not None


def test_coded_maps_are_means_of_cells_in_32_levels():
    q = torch.zeros(1, 1, 32, 32)
    q[..., :16, :8] = 1.0  # half of the first cell
    q[..., 16:, 16:] = 10 / 31
    expected = torch.tensor([[16 / 31, 0.0], [0.0, 10 / 31]])
    torch.testing.assert_close(coded_map(q)[0, 0], expected)
