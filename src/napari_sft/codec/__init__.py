"""The codec: bytes and arrays, without napari or Qt."""
