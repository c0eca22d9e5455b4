"""The codec's models: what one must offer, the models, their weights."""
