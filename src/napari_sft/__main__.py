"""`python -m napari_sft` is `napari-sft`."""

from __future__ import annotations

from napari_sft.cli import main

if __name__ == '__main__':
    main()
