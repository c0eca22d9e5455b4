"""The SFT's properties that the networks rely on."""

from __future__ import annotations

import pytest
import torch

from napari_sft.models.sft import GROUP, SFT, SFTBlock


@pytest.fixture(autouse=True)
def same_numbers():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize('channels', [8, GROUP, 3 * GROUP, 20])
@torch.inference_mode()
def test_one_condition_for_all_is_the_same_condition_everywhere(channels):
    block = SFTBlock(channels, 4).eval()
    x = torch.randn(1, channels, 9, 7)
    condition = torch.randn(1, 4, 1, 1)
    everywhere = condition.expand(1, 4, 9, 7).contiguous()
    torch.testing.assert_close(block(x, condition), block(x, everywhere))


@torch.inference_mode()
def test_conditions_differ_between_pictures_of_a_batch():
    block = SFTBlock(GROUP, 4).eval()
    x = torch.randn(2, GROUP, 5, 5)
    conditions = torch.randn(2, 4, 1, 1)
    both = block(x, conditions)
    for number in range(2):
        one = slice(number, number + 1)
        torch.testing.assert_close(
            both[one], block(x[one], conditions[one]), rtol=1e-4, atol=1e-5
        )


@torch.inference_mode()
def test_features_are_only_scaled_and_shifted():
    sft = SFT(3, 2)
    x, condition = torch.randn(1, 3, 4, 4), torch.randn(1, 2, 4, 4)
    zero, one = sft(0 * x, condition), sft(x, condition)
    two = sft(2 * x, condition)
    torch.testing.assert_close(two - one, one - zero)
    assert not torch.allclose(one, x)


def test_a_block_gives_gradients_to_all_its_weights():
    block = SFTBlock(GROUP, 4)
    x = torch.randn(1, GROUP, 6, 6, requires_grad=True)
    block(x, torch.randn(1, 4, 6, 6)).square().sum().backward()
    assert x.grad is not None
    for name, parameter in block.named_parameters():
        assert parameter.grad.abs().sum() > 0, name
