"""Encoding a whole image into a file."""

from __future__ import annotations

from functools import partial

from napari_sft.codec.fitting import fitting, work_of
from napari_sft.codec.job import Job
from napari_sft.codec.part_writer import Target, write
from napari_sft.codec.parts import Progress, Steps, encoded

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
        Called with (done, total) tiles and steps of refining, those of
        trials for a target size too; may raise to cancel.

    Raises
    ------
    TargetError
        If the target size cannot be met.
    SftError
        If the image, the map or the target file is unusable.
    """
    total = work_of(job)
    steps = Steps(progress, total)
    refine = None
    if job.refiner is not None:
        refine = partial(job.refiner, step=steps.advance)
    if job.target_bytes is None:
        write(target, job, steps.each(encoded(job, refine=refine)))
        return
    with fitting(job, job.target_bytes, steps, refine) as parts:
        steps.done = total - job.tile_count
        write(target, job, steps.each(parts))
