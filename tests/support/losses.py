"""Losses of one's own: what a user writes in Python, with the two methods that a network calls."""

import numpy as np


class Squares:
    """The mean squared error of rows of values."""

    def forward(self, outputs, targets):
        return float(((outputs - targets) ** 2).mean())

    def backward(self, outputs, targets):
        return 2 * (outputs - targets) / outputs.size


class SquaresOfClasses(Squares):
    """The same of class indices, each taken as a row with a 1 at its class."""

    def forward(self, outputs, targets):
        return super().forward(outputs, np.eye(outputs.shape[1])[targets])

    def backward(self, outputs, targets):
        return super().backward(outputs, np.eye(outputs.shape[1])[targets])
