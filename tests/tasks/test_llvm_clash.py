"""torch's optimisers work beside Mesa's LLVM: Triton is left out there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
from pathlib import Path

import torch

from napari_sft.tasks import llvm_clash

llvm_clash.MAPS = Path(sys.argv[1])
llvm_clash.import_dynamo()
print('torch._dynamo' in sys.modules, 'triton' in sys.modules)
weight = torch.zeros(3, requires_grad=True)
optimiser = torch.optim.LBFGS([weight])


def evaluate():
    optimiser.zero_grad()
    loss = (weight - 1).square().sum()
    loss.backward()
    return loss


optimiser.step(evaluate)
print(weight.sum().item())
"""


def run(maps: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, '-c', SCRIPT, str(maps)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_triton_is_left_out_beside_another_llvm(tmp_path):
    maps = tmp_path / 'maps'
    maps.write_text('7f00-7f01 r-xp 0 /usr/lib/libLLVM-15.so.1\n')
    imported, total = run(maps)
    assert imported == 'True False'
    assert float(total) == pytest.approx(3)


@pytest.mark.parametrize('text', ['7f00-7f01 r-xp 0 /usr/lib/libc.so\n', None])
def test_nothing_is_imported_early_without(tmp_path, text):
    maps = tmp_path / 'maps'
    if text is not None:
        maps.write_text(text)
    imported, total = run(maps)
    assert imported == 'False False'
    assert float(total) == pytest.approx(3)
