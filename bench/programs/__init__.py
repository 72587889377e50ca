"""Whole programs, each once with densenet and once with PyTorch, which `side_by_side.py` times.

A program's two files do the same: the same layers, first weights of the same distribution
(`torch.nn.Linear`'s), the same loss, optimizer, batches and epochs. Each is written as its
library's users would, and in the faster way where there are two: PyTorch's by indices of a tensor
in place of a `DataLoader`, and with the fused update of Adam. `data.py` reads the rows for both.
"""
