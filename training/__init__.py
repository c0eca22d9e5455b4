"""Training of the codec models; installed as `napari_sft_training`."""
