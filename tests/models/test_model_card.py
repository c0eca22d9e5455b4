"""The model card states what the network costs, and it stays in limits."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import napari_sft
from napari_sft.models.closed_loop import error_in_symbols
from napari_sft.models.compact import CompactModel

CARD = Path(napari_sft.__file__).parent / 'models' / 'weights' / 'README.md'
HEIGHT, WIDTH = 64, 128


@pytest.fixture(scope='module')
def stated():
    """Rows `| figure | value |` of the card."""
    rows = re.findall(r'^\| ([^|]+) \| ([\d.,]+) \|$', CARD.read_text(), re.M)
    return {name: float(value.replace(',', '')) for name, value in rows}


@pytest.fixture(scope='module')
def model():
    return CompactModel()


def kmac_per_pixel(run):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        result = run()
    return counter.get_total_flops() / 2e3 / (HEIGHT * WIDTH), result


@pytest.fixture(scope='module')
def measured(model):
    x = torch.rand(1, 3, HEIGHT, WIDTH)
    q = torch.rand(1, 1, HEIGHT // 16, WIDTH // 16)
    costs = {}
    costs['g_a'], y = kmac_per_pixel(lambda: model.analyse(x, q))
    costs['condition'], condition = kmac_per_pixel(lambda: model.condition(q))
    costs['h_a'], z = kmac_per_pixel(
        lambda: model.hyper_analyse(y, q, condition)
    )
    costs['z_index'], _ = kmac_per_pixel(lambda: model.z_indices(q))
    costs['h_s'], index = kmac_per_pixel(lambda: model.h_s(z, q))
    costs['context'], (y_hat, _) = kmac_per_pixel(
        lambda: model.run_context(z, index, q, condition, torch.round)
    )
    costs['g_s'], _ = kmac_per_pixel(
        lambda: model.synthesise(y_hat, q, condition)
    )
    encoding = sum(costs.values()) - costs['g_s']
    decoding = sum(costs.values()) - costs['g_a'] - costs['h_a']
    weight = torch.ones_like(x[:, :1])

    def correction():
        error = error_in_symbols(model, y_hat, q, condition, x, weight)
        return model.feedback(y - y_hat, error, y_hat, index, condition)

    correcting, _ = kmac_per_pixel(correction)
    correcting += costs['context']
    return {
        'kMAC/pixel, encoding': encoding,
        'kMAC/pixel, decoding': decoding,
        'kMAC/pixel, both': encoding + decoding,
        'kMAC/pixel, each correction of y': correcting,
        'parameters': count(model),
        'parameters of the feedback': count(model.feedback),
    }


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_the_card_states_what_is_measured(stated, measured):
    for name, value in measured.items():
        assert stated[name] == pytest.approx(value, rel=2e-3), name


def test_the_network_stays_within_its_limits(measured):
    assert measured['kMAC/pixel, both'] <= 110
    assert measured['parameters'] <= 10_000_000
