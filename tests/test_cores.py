"""Cores are shared out among tasks."""

from __future__ import annotations

import threading

from napari_sft.cores import cores, share_cores


def test_there_is_a_core():
    assert cores() >= 1


def test_each_of_many_tasks_has_one_thread_of_torch():
    import torch

    seen = []

    def task():
        share_cores(10 * cores())
        seen.append(torch.get_num_threads())

    before = torch.get_num_threads()
    try:
        thread = threading.Thread(target=task)
        thread.start()
        thread.join()
    finally:
        torch.set_num_threads(before)
    assert seen == [1]
