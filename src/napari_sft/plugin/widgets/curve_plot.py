"""Rate-distortion curves drawn by matplotlib in napari's colours."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from napari_sft.plugin.widgets.curve_points import OWN, Point
from napari_sft.plugin.widgets.theme import Colours, qcolor

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEIGHT = 240
# Told apart by light too, in both themes and by eyes that see no red.
OWN_COLOUR, MARK_COLOUR = '#1f9e89', '#f2a93b'
OTHERS = ('#8a8f98', '#b07aa1', '#d37295')


def load_matplotlib() -> None:
    """Import what the plot needs and no Qt, so that any thread may do it."""
    import matplotlib.backends.backend_agg
    import matplotlib.figure
    import matplotlib.font_manager  # noqa: F401


class CurvePlot(QWidget):
    """The plot alone."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
        from matplotlib.figure import Figure

        self.figure = Figure(layout='constrained')
        self.canvas = FigureCanvasQTAgg(self.figure)
        # The canvas would take the wheel that scrolls the dock.
        self.canvas.wheelEvent = lambda event: event.ignore()
        # Axes that have no room make matplotlib warn.
        self.canvas.setMinimumSize(200, HEIGHT)
        self.canvas.setAccessibleName('Size against exactness')
        fixed = QSizePolicy.Policy.Fixed
        self.setSizePolicy(QSizePolicy.Policy.Expanding, fixed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.canvas)

    def sizeHint(self) -> QSize:
        """As wide as the dock, of one height."""
        return QSize(300, HEIGHT)

    def minimumSizeHint(self) -> QSize:
        """See `sizeHint`."""
        return QSize(1, HEIGHT)

    def draw_curves(
        self,
        curves: dict[str, list[Point]],
        current: Point | None,
        *,
        likeness: bool,
        colours: Colours | None,
    ) -> None:
        """Draw all curves anew.

        Parameters
        ----------
        curves : dict of str to list of Point
            By name, sorted by size.
        current : Point or None
            The present setting.
        likeness : bool
            MS-SSIM upwards instead of PSNR.
        colours : Colours or None
            The theme's.
        """
        self.figure.clear()
        axes = self.figure.add_subplot()
        others = cycle(OTHERS)
        for name, points in curves.items():
            shown = [p for p in points if p.height(likeness) is not None]
            own = name == OWN
            axes.plot(
                [point.bpp for point in shown],
                [point.height(likeness) for point in shown],
                color=OWN_COLOUR if own else next(others),
                linewidth=2 if own else 1.5,
                marker='o' if own else '.',
                markersize=4,
                label=name,
                zorder=3 if own else 2,
            )
        if current is not None and current.height(likeness) is not None:
            axes.plot(
                current.bpp,
                current.height(likeness),
                color=MARK_COLOUR,
                marker='D',
                markersize=8,
                linestyle='none',
                label='this setting',
                zorder=4,
            )
        axes.set_xlabel('bits a pixel')
        axes.set_ylabel('MS-SSIM' if likeness else 'PSNR (dB)')
        _zoom(axes, curves, current, likeness)
        self._dress(axes, colours)
        self.canvas.draw_idle()

    def write(self, path: str) -> None:
        """Write the plot; the suffix says how.

        Raises
        ------
        OSError
            The file can't be written.
        ValueError
            The suffix is none that matplotlib knows.
        """
        self.figure.savefig(path, dpi=200)

    def _dress(self, axes: Axes, colours: Colours | None) -> None:
        """Give axes and texts the theme's colours."""
        if colours is None:
            axes.legend(frameon=False, fontsize=8)
            return
        text, dim, ground, faint = (
            qcolor(colour).name()
            for colour in (
                colours.text,
                colours.dim,
                colours.background,
                colours.primary,
            )
        )
        self.figure.set_facecolor(ground)
        axes.set_facecolor(ground)
        axes.grid(color=faint, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(colors=dim, labelsize=8, length=0)
        for side, spine in axes.spines.items():
            spine.set_color(faint)
            spine.set_visible(side in ('left', 'bottom'))
        for label in (axes.xaxis.label, axes.yaxis.label):
            label.set_color(dim)
            label.set_fontsize(8)
        axes.legend(
            loc='lower right',
            facecolor=ground,
            edgecolor='none',
            framealpha=0.8,
            labelcolor=text,
            fontsize=8,
        )


def _zoom(
    axes: Axes,
    curves: dict[str, list[Point]],
    current: Point | None,
    likeness: bool,
) -> None:
    """Show where our own curve lies; JPEG's goes far beyond it."""
    wanted = [*curves.get(OWN, ()), *([] if current is None else [current])]
    sizes = [point.bpp for point in wanted]
    right = 1.15 * max(sizes) if len(sizes) > 1 else None
    axes.set_xlim(0, right)
    heights = [
        point.height(likeness)
        for points in (*curves.values(), wanted)
        for point in points
        if right is None or point.bpp <= right
    ]
    heights = [height for height in heights if height is not None]
    if heights:
        low, high = min(heights), max(heights)
        space = 0.06 * (high - low) or 0.5
        axes.set_ylim(low - space, high + space)
