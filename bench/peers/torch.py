"""PyTorch: eager mode and compiled, for training and for prediction."""

import os
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from densenet._activations import ACTIVATIONS
from designs import CLIP_NORM, DROPOUT, FOCUS, LEARNING_RATE, Design
from peers.contender import Contender, Predictor
from tasks import Task


def _torch(threads: int) -> Any:
    """Import PyTorch and set it up; the module."""
    # torch.compile's helper processes would outlive their work and disturb other contenders.
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"
    import torch

    torch.set_flush_denormal(True)  # inherited by threads, so before the first one starts
    torch.set_num_threads(threads)
    return torch


def model_of(task: Task) -> Any:
    """Make PyTorch's module of a task, with the task's parameters and precision."""
    import torch
    from torch import nn

    torch.set_float32_matmul_precision(task.design.precision)

    class Residual(nn.Sequential):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x + super().forward(x)

    design, linears = task.design, []
    for weight, bias in zip(task.weights, task.biases, strict=True):
        linear = nn.Linear(*weight.T.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight))
            linear.bias.copy_(torch.from_numpy(bias))
        linears.append(linear)
    norms = {"layer_norm": nn.LayerNorm, "batch_norm": nn.BatchNorm1d}
    activation = getattr(nn, ACTIVATIONS[design.activation].layer.__name__)
    layers: list[Any] = []
    for linear in linears[:-1]:
        block = [linear]
        if design.norm:
            block.append(norms[design.norm](linear.out_features))
        block.append(activation())
        if design.dropout:
            block.append(nn.Dropout(DROPOUT))
        same = linear.in_features == linear.out_features
        layers += [Residual(*block)] if design.residual and same else block
    return nn.Sequential(*layers, linears[-1])


def optimizer_of(design: Design, parameters: Any, way: dict[str, bool]) -> Any:
    """Make PyTorch's optimizer; RMSprop's update has no fused kernel."""
    from torch import optim

    if design.optimizer == "rmsprop":
        way = {"foreach": True}
        return optim.RMSprop(parameters, lr=LEARNING_RATE, alpha=0.9, eps=1e-8, **way)
    kind = {"adam": optim.Adam, "adamw": optim.AdamW, "sgd": optim.SGD}[design.optimizer]
    return kind(parameters, lr=LEARNING_RATE, **way)


def loss_of(design: Design) -> Callable[[Any, Any], Any]:
    """Give the loss of logits and classes; the own one is for autograd to differentiate."""
    from torch.nn import functional

    def focal(logits: Any, y: Any) -> Any:
        log = -functional.cross_entropy(logits, y, reduction="none")
        return -((1 - log.exp()) ** FOCUS * log).mean()

    return focal if design.own_loss else functional.cross_entropy


class TorchFused(Contender):
    """Eager mode, with the whole update in one fused kernel."""

    module = "torch"
    way: ClassVar[dict[str, bool]] = {"fused": True}
    compiled: ClassVar[bool] = False

    def __init__(self, task: Task) -> None:
        torch = _torch(task.threads)
        model = model_of(task)
        of_logits = loss_of(task.design)
        self.parameters = list(model.parameters())
        self.optimizer = optimizer_of(task.design, self.parameters, self.way)
        self.clip = torch.nn.utils.clip_grad_norm_ if task.design.clip else None
        self.batches = [(torch.from_numpy(x), torch.from_numpy(y)) for x, y in task.batches]

        def loss(x: Any, y: Any) -> Any:
            return of_logits(model(x), y)

        self.loss: Callable[[Any, Any], Any] = torch.compile(loss) if self.compiled else loss

    def epoch(self) -> Iterable[Any]:
        """Run PyTorch's usual training loop."""
        losses = []
        for x, y in self.batches:
            self.optimizer.zero_grad()
            loss = self.loss(x, y)
            loss.backward()
            if self.clip is not None:
                self.clip(self.parameters, CLIP_NORM)
            self.optimizer.step()
            losses.append(loss.detach())
        return losses


class TorchAutocast(TorchFused):
    """Eager mode, where autocast chooses what is computed in bf16."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        import torch

        of_floats = self.loss

        def loss(x: Any, y: Any) -> Any:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return of_floats(x, y)

        self.loss = loss

    @classmethod
    def takes(cls, design: Design) -> bool:
        """Say whether one bf16 piece is asked for."""
        return design.precision == "medium"


class TorchForeach(TorchFused):
    """Eager mode, with the update's operations on lists of tensors."""

    way: ClassVar[dict[str, bool]] = {"foreach": True}


class TorchCompiled(TorchFused):
    """Forward and backward pass by torch.compile, with the fused update."""

    compiled = True


# ---- prediction --------------------------------------------------------------------------------


class TorchPredict(Predictor):
    """Eager mode without autograd."""

    module = "torch"
    compiled: ClassVar[bool] = False

    def __init__(self, task: Task) -> None:
        self.torch = _torch(task.threads)
        model = model_of(task).eval()

        def probabilities(x: Any) -> Any:
            return model(x).softmax(1)

        self.predict = self.torch.compile(probabilities) if self.compiled else probabilities
        self.batches = [self.torch.from_numpy(x) for x, _ in task.batches]

    def epoch(self) -> Iterable[Any]:
        """Predict each batch."""
        with self.torch.inference_mode():
            return [self.predict(x) for x in self.batches]


class TorchPredictCompiled(TorchPredict):
    """By torch.compile."""

    compiled = True
