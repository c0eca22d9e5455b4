"""Zarr arrays and OME-Zarr images, opened.

`metadata` knows what they say about themselves; `writing` makes them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_sft.codec.container import Calibration, Reader
from napari_sft.codec.errors import ImageError, SftError
from napari_sft.codec.image import Image, Layout
from napari_sft.codec.merging import Stack, merge_planes
from napari_sft.ngff.array_writing import coder_of, sibling
from napari_sft.ngff.chunks import ChunkCoder
from napari_sft.ngff.metadata import OmeImage, parse
from napari_sft.picture import Picture
from napari_sft.regions import Turned


@dataclass(frozen=True)
class ZarrImage:
    """An opened image.

    Attributes
    ----------
    array : zarr.Array
        Its full size.
    about : OmeImage
        What it says about itself.
    """

    array: Any
    about: OmeImage

    @property
    def picture(self) -> Picture:
        """As other files hold it, the axes in their former order."""
        about = self.about
        return Picture(
            self._turned(self.array),
            about.order,
            about.scale,
            about.units,
            about.translate,
            about.name,
        )

    @property
    def coder(self) -> ChunkCoder | None:
        """How its chunks are coded, if by this package's codec."""
        try:
            return coder_of(self.array)
        except SftError:
            return None

    @property
    def quality_map(self) -> Any:
        """Its qualities, an array beside it; None if it has one quality."""
        coder = self.coder
        if coder is None or coder.quality_map is None:
            return None
        return sibling(self.array, coder.quality_map)

    def settings(self) -> dict[str, Any]:
        """Parameters of `imwrite` that keep all of it."""
        about, picture, coder = self.about, self.picture, self.coder
        spatial = about.order.replace('S', '')
        settings = picture.along(about.order) | {
            'image': picture.data,
            'axes': about.order,
            'pyramid': len(about.paths) > 1,
        }
        if about.labels:
            settings['labels'] = tuple(
                about.labels.get(axis, axis.lower()) for axis in spatial
            )
        if about.windows:
            several = len(about.windows) > 1
            settings['windows'] = (
                about.windows if several else about.windows[0]
            )
        if coder is not None:
            settings['quality'] = coder.quality
        if self.quality_map is not None:
            settings['quality_map'] = self._turned(self.quality_map)
        return settings

    def coded_planes(self) -> list[Path] | None:
        """The files of its chunks, if each is a whole plane of an image.

        In the order of the planes. None if the chunks are others, if one is
        missing or if there are smaller levels.
        """
        array, axes = self.array, self.about.axes
        root = getattr(array.store, 'root', None)
        wanted = tuple(
            n if axis in 'YXS' else 1
            for axis, n in zip(axes, array.shape, strict=True)
        )
        if (
            self.coder is None
            or root is None
            or len(self.about.paths) > 1
            or getattr(array, 'shards', None) is not None
            or tuple(array.chunks) != wanted
        ):
            return None
        layout = self.layout
        folder = Path(root) / array.path
        paths = []
        for number in range(layout.plane_count):
            index = layout.index_of(number)
            at = dict(zip(layout.stack_axes, index, strict=True))
            place = tuple(at.get(axis, 0) for axis in axes)
            paths.append(folder / array.metadata.encode_chunk_key(place))
        return paths if all(path.is_file() for path in paths) else None

    @property
    def layout(self) -> Layout:
        """That of the image as an `.sft` file."""
        data = self._turned(self.array)
        return Image.from_array(data, self.about.order).layout

    def _turned(self, array: Any) -> Any:
        """An array of the image's axes, or of (Y, X), in the former order."""
        axes, order = self.about.axes, self.about.order
        if len(array.shape) < len(self.array.shape):
            axes, order = axes.replace('S', ''), order.replace('S', '')
        if axes == order or len(array.shape) != len(axes):
            return array
        return Turned(array, axes, order)


def zarr_to_sft(
    source: Path,
    target: Path,
    *,
    quality: float | None = None,
    model: str = 'compact',
    device: str = 'auto',
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Convert an OME-Zarr image or a Zarr array to an `.sft` file.

    Chunks that hold whole planes move over as they are coded. Others are
    decoded and coded again; a pyramid is made anew from the full size.

    Parameters
    ----------
    source, target : Path
        Folder to read and file to write.
    quality : float, optional
        0..100; by default that of the chunks, if they are coded by this
        package's codec, otherwise 75.
    model, device
        As for `imwrite`.
    progress : callable, optional
        Called with (done, total) units of work; may raise to cancel.

    Raises
    ------
    SftError
        The source is no image, or can't be encoded.
    """
    import napari_sft

    opened = open_zarr(source)
    coder = opened.coder
    planes = opened.coded_planes() if quality is None else None
    if planes is not None and coder is not None and coder.model == model:
        _merge(opened, target, planes)
        return
    settings = opened.settings()
    if quality is not None:
        settings |= {'quality': quality, 'quality_map': None}
    napari_sft.imwrite(
        target,
        **settings,
        model=model,
        device=device,
        source=source.name,
        progress=progress,
    )


def _merge(opened: ZarrImage, target: Path, planes: Sequence[Path]) -> None:
    layout, settings = opened.layout, opened.settings()
    windows, maps = [], set()
    for path in planes:
        with Reader(path) as reader:
            windows.append(reader.header.window(0))
            maps.add(reader.map())
    by_channel = {layout.channel_of(n): w for n, w in enumerate(windows)}
    if all(
        by_channel[layout.channel_of(n)] == w for n, w in enumerate(windows)
    ):
        windows = [by_channel[n] for n in range(layout.channel_count)]
    names = ('scale', 'translate', 'units', 'labels', 'name')
    about = {name: settings[name] for name in names if name in settings}
    stack = Stack(
        layout,
        tuple(windows),
        Calibration(**about) if about else None,
        shared_map=len(maps) == 1,
    )
    merge_planes(target, stack, (path.read_bytes() for path in planes))


def open_zarr(path: Path) -> ZarrImage:
    """Open a Zarr array, or the first image of an OME-Zarr group.

    Raises
    ------
    ImageError
        It is neither, or zarr is not installed.
    """
    try:
        import zarr
    except ModuleNotFoundError:
        raise ImageError(
            f'{path} is a Zarr folder: pip install "napari-sft[large]"'
        ) from None
    try:
        node = zarr.open(path, mode='r')
    # What zarr raises differs from one version to the next.
    except Exception as error:
        raise ImageError(f"can't read {path}: {error}") from error
    if hasattr(node, 'dtype'):
        return ZarrImage(node, _plain(node))
    if 'bioformats2raw.layout' in _ome(node):
        node = node['0']
    if 'multiscales' not in _ome(node):
        raise ImageError(
            f'{path} is a Zarr group without OME-Zarr metadata; give the path '
            'of an array in it'
        )
    attrs = node.attrs.asdict()
    about = parse(attrs, np.dtype(np.uint8))
    try:
        array = node[about.paths[0]]
    except KeyError:
        raise ImageError(
            f'{path} lacks the array {about.paths[0]!r} of its image'
        ) from None
    return ZarrImage(array, parse(attrs, array.dtype))


def _ome(group: Any) -> dict[str, Any]:
    attrs = group.attrs.asdict()
    found: dict[str, Any] = attrs.get('ome', attrs)
    return found


def _plain(array: Any) -> OmeImage:
    """An array by itself, its axes those it names or a guess."""
    about = getattr(array, 'metadata', None)  # zarr 3
    names = getattr(about, 'dimension_names', None)
    letters = [str(name or '')[:1].upper() for name in names or ()]
    distinct = len(set(letters)) == len(letters)
    if letters and distinct and {'Y', 'X'} <= set(letters):
        axes = ''.join(letters)
    else:
        axes = Image.from_array(array, alpha='drop').source_axes
    return OmeImage(axes, ('',), axes)
