"""Data to learn with: digits that come with the package, readers of files that others publish."""

from densenet.datasets.cifar10 import CIFAR10_CLASSES, load_cifar10
from densenet.datasets.digits import Digits, load_digits, write_digits
from densenet.datasets.downloads import download
from densenet.datasets.images import Images
from densenet.datasets.mnist import load_mnist

__all__ = [
    "CIFAR10_CLASSES",
    "Digits",
    "Images",
    "download",
    "load_cifar10",
    "load_digits",
    "load_mnist",
    "write_digits",
]
