"""Two processes train as one does on their joint batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from napari_sft_training import checkpoints
from napari_sft_training.config import TrainingConfig
from napari_sft_training.config_checks import ConfigError
from napari_sft_training.distributed import World, joined
from napari_sft_training.loop import Trainer

# Each process takes its half of a batch, without noise; then a whole run.
SCRIPT = """
import sys
from pathlib import Path

import torch

from napari_sft_training.config import load_config
from napari_sft_training.distributed import joined
from napari_sft_training.journal import Journal
from napari_sft_training.loop import Trainer

Journal.open = lambda *_: None  # TensorBoard takes seconds to load
torch.set_num_threads(1)
folder = Path(sys.argv[1])
config = load_config(folder / 'tiny.yaml')
with joined() as world:
    trainer = Trainer(config, folder / 'run', 3, world)
    trainer.start()
    x, q = torch.load(folder / 'batch.pt')
    half = slice(world.rank, world.rank + 1)
    own = trainer.batch
    trainer.batch = lambda: (x[half], q[half])
    trainer.model.eval()
    trainer.train_step()
    if world.writes:
        named = trainer.model.named_parameters()
        grads = {n: p.grad for n, p in named if p.requires_grad}
        torch.save(grads, folder / 'grads.pt')
    seen = []
    trainer.batch = lambda: seen.append(own()) or seen[-1]
    trainer.run()
    torch.save(
        {
            'seen': [pair[0] for pair in seen],
            'weights': trainer.model.state_dict(),
            'noise': torch.rand(4),
        },
        folder / f'rank_{world.rank}.pt',
    )
    resumed = Trainer(config, folder / 'resumed', 9, world)
    resumed.resume(folder / 'run/snapshots/last.pt')
    assert torch.equal(resumed.batch()[0], own()[0])
"""


@pytest.fixture(scope='module')
def values(tmp_path_factory, request, tiny_sizes) -> dict[str, Any]:
    from PIL import Image

    make_picture = request.getfixturevalue('make_picture')
    folder = tmp_path_factory.mktemp('pictures')
    for seed in range(4):
        picture = make_picture(96, 112, seed=seed)
        Image.fromarray(picture).save(folder / f'{seed}.png')
    return {
        'sources': [{'path': str(folder)}],
        'patch_size': 64,
        'batch_size': 2,
        'steps': 3,
        'warmup_steps': 1,
        'decay_steps': 1,
        'precision': 'float32',
        'device': 'cpu',
        'log_steps': 1,
        'validation_steps': 100,
        'start_patches': 40,
        'validation_patches': 2,
        'clip_norm': 0.0,
        'sizes': tiny_sizes,
    }


@pytest.fixture(scope='module')
def two_processes(values, tmp_path_factory) -> Path:
    """The folder in which two processes ran the script."""
    folder = tmp_path_factory.mktemp('two')
    (folder / 'tiny.yaml').write_text(yaml.safe_dump(values))
    script = folder / 'script.py'
    script.write_text(SCRIPT)
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2, 3, 64, 64, generator=generator)
    q = torch.rand(2, 1, 64, 64, generator=generator)
    torch.save((x, q), folder / 'batch.pt')
    result = subprocess.run(
        [
            *(sys.executable, '-m', 'torch.distributed.run'),
            *('--standalone', '--nproc-per-node', '2'),
            *(str(script), str(folder)),
        ],
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return folder


def test_gradients_are_those_of_the_joint_batch(
    two_processes, values, tmp_path
):
    trainer = Trainer(TrainingConfig(**values), tmp_path / 'run', 3)
    trainer.start()
    batch = torch.load(two_processes / 'batch.pt')
    trainer.batch = lambda: batch  # type: ignore[method-assign]
    trainer.model.eval()
    trainer.train_step()
    grads = torch.load(two_processes / 'grads.pt')
    largest = max(grad.abs().max().item() for grad in grads.values())
    assert largest > 0
    named = trainer.model.named_parameters()
    learned = {name: p for name, p in named if p.requires_grad}
    assert grads.keys() == learned.keys()
    for name, parameter in learned.items():
        torch.testing.assert_close(
            grads[name], parameter.grad, rtol=1e-3, atol=1e-5 * largest
        )


def test_processes_see_other_patches_and_noise_yet_stay_alike(two_processes):
    first, second = (
        torch.load(two_processes / f'rank_{rank}.pt') for rank in range(2)
    )
    assert len(first['seen']) == len(second['seen']) == 2
    for a, b in zip(first['seen'], second['seen'], strict=True):
        assert a.shape == b.shape == (1, 3, 64, 64)
        assert not torch.equal(a, b)
    assert not torch.equal(first['noise'], second['noise'])
    for name, tensor in first['weights'].items():
        assert torch.equal(tensor, second['weights'][name])


def test_one_process_writes_for_all(two_processes):
    lines = (two_processes / 'run/log.jsonl').read_text().splitlines()
    steps = [line['step'] for line in map(json.loads, lines) if 'loss' in line]
    assert steps == [2, 3]
    last = two_processes / 'run/snapshots/last.pt'
    state = checkpoints.read_checkpoint(last)
    (other,) = state['others']  # resumed in the script
    assert other['numpy_random'] != state['numpy_random']


def test_a_process_that_is_alone_is_the_whole_world():
    with joined() as world:
        assert world == World()
    assert world.writes
    assert world.largest(1.5, 2) == [1.5, 2]
    assert world.gather('mine') == ['mine']
    module = torch.nn.Linear(1, 1)
    assert world.parallel(module, torch.device('cpu')) is module


def test_a_process_that_joins_a_resumed_run_sees_patches_of_its_own(
    values, tmp_path
):
    alone = Trainer(TrainingConfig(**values), tmp_path / 'run', 3)
    alone.step = 7
    last = alone.save('last.pt')
    second = World(rank=1, size=2, local_rank=1)
    joining, again, fresh = (
        Trainer(TrainingConfig(**values), tmp_path / 'joined', 3, second)
        for _ in range(3)
    )
    joining.resume(last)
    again.resume(last)
    assert joining.step == 7
    patches = joining.batch()[0]
    assert torch.equal(patches, again.batch()[0])
    assert not torch.equal(patches, fresh.batch()[0])
    assert not torch.equal(patches, alone.batch()[0][:1])
    assert not (tmp_path / 'joined').exists()


def test_a_batch_must_be_shared_evenly(values, tmp_path):
    with pytest.raises(ConfigError, match='multiple of the 3'):
        Trainer(
            TrainingConfig(**values), tmp_path / 'run', world=World(0, 3, 0)
        )
