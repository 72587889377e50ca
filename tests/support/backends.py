"""The two sides that compute the same."""

TWINS = ("kernels", "reference")
ENGINES = ("compiled", "reference")
