"""Freed tensors are kept for the next ones, where glibc lets us."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from napari_sft.models import memory

glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != 'glibc', reason='mallopt is of glibc'
)

# Page faults of several tensors of 24 MB, one after the other. The first ones
# may still take new pages: aligning them leaves small pieces, of which glibc
# puts seven aside before it joins them with their neighbours.
SCRIPT = """
import resource, sys, torch
from napari_sft.models.memory import keep_freed_memory
done = keep_freed_memory() if sys.argv[1] == 'keep' else False
for _ in range(20):
    torch.ones(6 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(6 << 20)
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(done, faults)
"""


def run(*arguments, **environment):
    clean = {k: v for k, v in os.environ.items() if 'MALLOC' not in k}
    result = subprocess.run(
        [sys.executable, '-c', SCRIPT, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=clean | environment,
    )
    done, faults = result.stdout.split()
    return done == 'True', int(faults)


@glibc
def test_tensors_take_pages_that_were_there():
    # a trim threshold alone switches glibc's own adaptation off
    _, cleared = run('no', MALLOC_TRIM_THRESHOLD_='131072')
    done, kept = run('keep')
    assert done
    assert kept < cleared / 4


@glibc
def test_what_the_environment_says_is_left_alone():
    done, _ = run('keep', MALLOC_TRIM_THRESHOLD_='131072')
    assert not done


def test_another_c_library_is_no_failure(monkeypatch):
    monkeypatch.delenv('MALLOC_TRIM_THRESHOLD_', raising=False)

    def missing(name):
        raise OSError('no such library')

    monkeypatch.setattr(memory.ctypes, 'CDLL', missing)
    assert memory.keep_freed_memory() is False


FREED = """
import torch
from napari_sft.models.memory import (
    give_back_freed_memory,
    keep_freed_memory,
)


def resident():
    with open('/proc/self/status') as file:
        return next(int(x.split()[1]) for x in file if x.startswith('VmRSS'))


keep_freed_memory()
parts = [torch.ones(5 << 20) for _ in range(10)]
last = torch.ones(10)  # at the top: what lies below cannot be trimmed off
del parts
before = resident()
print(give_back_freed_memory(), before - resident())
"""


@glibc
@pytest.mark.skipif(not os.path.exists('/proc/self/status'), reason='Linux')
def test_freed_memory_is_given_back():
    clean = {k: v for k, v in os.environ.items() if 'MALLOC' not in k}
    result = subprocess.run(
        [sys.executable, '-c', FREED],
        capture_output=True,
        text=True,
        check=True,
        env=clean,
    )
    given, kilobytes = result.stdout.split()
    assert given == 'True'
    assert int(kilobytes) > 100_000


def test_other_libraries_keep_theirs(monkeypatch):
    monkeypatch.setattr('ctypes.CDLL', lambda _: object())
    assert memory.give_back_freed_memory() is False
