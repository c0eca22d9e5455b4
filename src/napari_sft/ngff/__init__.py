"""Zarr arrays with `.sft` files as chunks, and OME-Zarr images of them.

The two codecs need numcodecs or zarr, and are found by these through entry
points; everything else needs them only when an array is opened or made.
"""
