"""The paper's network: its parts by name, its floats, its ablations."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import torch

from napari_sft.codec.errors import ModelError
from napari_sft.models.song2021 import Song2021, Song2021Config

SMALL = {'N': 16, 'M': 16, 'condition_channels': 8}


def small(**switches: bool) -> Song2021:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Song2021(Song2021Config(**SMALL, **switches))


@torch.no_grad()
def filled() -> Song2021:
    """A network whose every parameter is a known number."""
    network = small().eval()
    rng = np.random.default_rng(7)
    for name, parameter in sorted(network.named_parameters()):
        draws = rng.standard_normal(parameter.shape).astype(np.float32)
        noise = torch.from_numpy(draws)
        if name.endswith(('.gamma', '.beta')):
            parameter.add_(0.05 * noise.abs())
        elif 'quantiles' in name:
            parameter.add_(0.2 * noise)
        elif '_matrices' in name or '_factors' in name:
            parameter.add_(0.1 * noise)
        elif parameter.ndim > 1 and '_biases' not in name:
            gain = 8 if name in ('g_a12.weight', 'h_a6.weight') else 1
            parameter.copy_(gain * noise / parameter[0].numel() ** 0.5)
        else:
            parameter.copy_(0.1 * noise)
    return network


def picture_and_map(height: int = 128) -> tuple[torch.Tensor, torch.Tensor]:
    row, column = np.mgrid[0:height, 0:128]
    x = [
        0.5 + 0.4 * np.sin(row / 7),
        0.5 + 0.4 * np.cos(column / 5),
        (row * column % 97) / 96,
    ]
    q = ((row + 2 * column) % 128) / 127
    return (
        torch.from_numpy(np.stack(x)[None].astype(np.float32)),
        torch.from_numpy(q[None, None].astype(np.float32)),
    )


def test_the_full_network_has_the_papers_parameters():
    with torch.device('meta'):
        network = Song2021()
    count = sum(p.numel() for p in network.main_parameters())
    assert count == 27_563_267
    assert sum(p.numel() for p in network.aux_parameters()) == 192 * (
        3 + 9 + 9 + 9 + 3 + 3 * 4 + 1 + 3 * 4 + 3
    )


def test_names_and_shapes_are_those_of_the_public_code():
    with torch.device('meta'):
        state = Song2021().state_dict()
    shapes = sorted((key, list(value.shape)) for key, value in state.items())
    assert len(shapes) == 327
    digest = hashlib.sha256(json.dumps(shapes).encode()).hexdigest()
    assert digest.startswith('580ebdc336ac5e2fafd67bf10ca0754c')


# Every so-manieth value. The layers are checked one by one in
# test_song2021_layers.py; a transcription of the authors' code, too, gave
# these numbers.
REFERENCE = {
    'y': [-2.146065, 1.441862, 0.430760, -0.585343, 0.894000, -3.463857],
    'z': [8.270005, 4.005228, 0.254560, 12.442127, -3.323942, 10.552481],
    'x_hat': [0.020273, -0.877895, 0.480485, -0.070637, 0.346102, -0.360022],
    'y_likelihoods': [1e-9, 0.109213, 2.740844e-6, 0.999995, 0.999995, 1e-9],
    'z_likelihoods': [
        *(0.021614, 0.023855, 0.026426),
        *(0.019775, 0.024089, 0.016765),
    ],
}


@torch.no_grad()
def test_known_weights_give_known_floats():
    network = filled()
    x, q = picture_and_map()
    output = network(x, q)
    y = network.g_a(x, q)
    given = vars(output) | {'y': y, 'z': network.h_a(y, q)}
    for name, expected in REFERENCE.items():
        values = given[name].flatten()
        values = values[:: len(values) // 6 + 1].numpy()
        # machines differ in the order of sums
        np.testing.assert_allclose(values, expected, 1e-4, 1e-4, err_msg=name)


@torch.no_grad()
def test_the_decoder_sees_rounded_latents():
    network = filled()
    x, q = picture_and_map()
    y = network.g_a(x, q)
    medians = network.entropy_bottleneck.medians[None]
    z_hat = (network.h_a(y, q) - medians).round() + medians
    _, means = network.gaussian_parameters(z_hat)
    x_hat = network.g_s((y - means).round() + means, z_hat)
    torch.testing.assert_close(network(x, q).x_hat, x_hat, atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_map_changes_the_latents_where_it_differs():
    network = filled()
    x, q = picture_and_map()
    other = q.clone()
    other[:, :, :16, :16] = 1 - other[:, :, :16, :16]
    change = (network.g_a(x, q) - network.g_a(x, other)).abs().amax((0, 1))
    assert float(change[0, 0]) > 0.01
    assert float(change[-1, -1]) < 0.01 * float(change[0, 0])


ABLATIONS = [
    {'sft': False},
    {'spatial_condition': False},
    {'condition_scales': False},
    {'spatial_condition': False, 'condition_scales': False},
]


@pytest.mark.parametrize('switches', [{}, *ABLATIONS], ids=str)
def test_every_parameter_of_an_ablation_learns(switches):
    network = small(**switches).train()
    x, q = picture_and_map()
    output = network(x, q)
    assert output.x_hat.shape == x.shape
    assert output.y_likelihoods.shape == (1, 16, 8, 8)
    assert output.z_likelihoods.shape == (1, 16, 2, 2)
    loss = output.x_hat.square().mean()
    for likelihoods in (output.y_likelihoods, output.z_likelihoods):
        loss = loss - likelihoods.log2().mean()
    (loss + network.aux_loss()).backward()
    idle = {n for n, p in network.named_parameters() if p.grad is None}
    assert not idle


def test_ablations_drop_the_networks_they_are_without():
    def names(**switches: bool) -> set[str]:
        return set(small(**switches).state_dict())

    assert not [n for n in names(sft=False) if 'mlp_gamma' in n]
    gone = {n.split('.')[0] for n in names() - names(condition_scales=False)}
    assert gone == {
        *(f'qmap_feature_g{n}' for n in (2, 3, 4, 5)),
        *(f'qmap_feature_h{n}' for n in (2, 3)),
        *(f'qmap_feature_gs{n}' for n in (2, 3, 4, 5)),
    }
    lone = small(spatial_condition=False).state_dict()
    assert lone['qmap_feature_g1.0.weight'].shape[1] == 1


@pytest.mark.parametrize(
    'sizes', [{'N': 18}, {'M': 0}, {'sft': False, 'condition_scales': False}]
)
def test_networks_that_cannot_be_are_refused(sizes):
    with pytest.raises(ModelError):
        Song2021Config(**sizes)


def test_the_two_optimisers_share_no_parameter():
    network = small()
    main = {id(p) for p in network.main_parameters()}
    aux = {id(p) for p in network.aux_parameters()}
    assert not main & aux
    assert len(main | aux) == len(list(network.parameters()))


def test_coder_tables_of_any_size_load():
    state = small().state_dict()
    state['entropy_bottleneck._quantized_cdf'] = torch.ones(16, 30).int()
    state['entropy_bottleneck._offset'] = torch.ones(16).int()
    state['gaussian_conditional.scale_table'] = torch.ones(64)
    network = small()
    network.load_state_dict(state)
    again = network.state_dict()
    assert again['entropy_bottleneck._quantized_cdf'].shape == (16, 30)
    assert torch.equal(
        again['gaussian_conditional.scale_table'], torch.ones(64)
    )
