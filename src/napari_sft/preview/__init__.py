"""A plane encoded again and again while its map is painted, and measured."""
