"""Measurements of the codec against others, run by hand."""
