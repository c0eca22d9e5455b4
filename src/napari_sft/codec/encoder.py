"""Encoding a whole image into a file."""

from __future__ import annotations

from napari_sft.codec.fitting import fitting
from napari_sft.codec.job import Job
from napari_sft.codec.part_writer import Target, write
from napari_sft.codec.parts import Progress, Steps, encoded
from napari_sft.codec.rate_control import TRIALS

__all__ = ['Job', 'Progress', 'Target', 'encode_job']


def encode_job(
    target: Target, job: Job, progress: Progress | None = None
) -> None:
    """Encode an image into a file, whole or not at all.

    Parameters
    ----------
    target : path or binary file
        Where to write.
    job : Job
        What to encode.
    progress : callable, optional
        Called with (done, total) tiles, those of trials for a target size
        too; may raise to cancel.

    Raises
    ------
    TargetError
        If the target size cannot be met.
    SftError
        If the image, the map or the target file is unusable.
    """
    if job.target_bytes is None:
        steps = Steps(progress, job.tile_count)
        write(target, job, steps.each(encoded(job)))
        return
    steps = Steps(progress, job.tile_count * (TRIALS + 1))
    with fitting(job, job.target_bytes, steps) as parts:
        steps.done = job.tile_count * TRIALS
        write(target, job, steps.each(parts))
