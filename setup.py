"""Where the two packages lie; everything else is in pyproject.toml."""

from setuptools import find_packages, setup

training = ['', *(f'.{name}' for name in find_packages('training'))]

setup(
    package_dir={'': 'src', 'napari_sft_training': 'training'},
    packages=[
        *find_packages('src'),
        *(f'napari_sft_training{name}' for name in training),
    ],
)
