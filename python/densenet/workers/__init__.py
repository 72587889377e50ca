"""Processes that train one network together: for `Network.fit`, as ``workers``."""

from densenet.workers.contract import Workers

__all__ = ["Workers"]
