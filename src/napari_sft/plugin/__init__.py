"""What napari sees of napari-sft; nothing here is imported before use."""
