"""The compiled core. Every build of it has these names."""

from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

from densenet._typing import Array

def config() -> dict[str, str]: ...
def get_num_threads() -> int: ...
def has_bf16_products() -> bool: ...
def set_num_threads(threads: int, /) -> None: ...
def limit_this_thread(threads: int, /) -> int: ...
def bound_processors() -> list[int]: ...
def suspend_timing(suspended: bool, /) -> None: ...
def multiply_add_peak(threads: int, rounds: int) -> float: ...
def meeting_time(threads: int, times: int) -> float: ...
def update_bandwidth(threads: int, n: int) -> float: ...
def linear_forward(x: Array, weight: Array, bias: Array | None, /) -> Array: ...
def linear_backward(dy: Array, x: Array, weight: Array, /) -> tuple[Array, Array, Array]: ...
def activation_forward(name: str, x: Array, settings: dict[str, float], /) -> Array: ...
def activation_backward(
    name: str, dy: Array, value: Array, settings: dict[str, float], /
) -> Array: ...
def loss_forward(
    name: str,
    outputs: Array,
    targets: Array,
    sample_weight: Array | None,
    settings: dict[str, float],
    /,
) -> float: ...
def loss_backward(
    name: str,
    outputs: Array,
    targets: Array,
    sample_weight: Array | None,
    settings: dict[str, float],
    /,
) -> Array: ...
def softmax_forward(x: Array, /) -> Array: ...
def softmax_backward(dy: Array, y: Array, /) -> Array: ...
def softmax_cross_entropy_forward(
    logits: Array, targets: Array, sample_weight: Array | None, label_smoothing: float, /
) -> tuple[float, Array]: ...
def softmax_cross_entropy_backward(
    probabilities: Array, targets: Array, sample_weight: Array | None, label_smoothing: float, /
) -> Array: ...
def update(
    rule: str, arrays: dict[str, Array], step: int, settings: dict[str, float], /
) -> None: ...
def encode_pieces(
    cells: Array,
    edges: Array,
    fill: float,
    center: float,
    scale: float,
    gaps: bool,
    features: Array,
    /,
) -> None: ...

# The tuples Mode, Examples and Steps of densenet._engine.contract.
_Mode: TypeAlias = tuple[Array, bool, int, int, bool, int, Callable[[Array], object] | None]
_Examples: TypeAlias = tuple[Array, Array | None, Array | None, float | None]
_PerStep: TypeAlias = list[float] | None
_Steps: TypeAlias = tuple[
    Array | None, int, int, Array, list[float], float, _PerStep, _PerStep, Array | None
]

class Rule:
    def __init__(self, name: str, settings: dict[str, Any], factors: list[float], /) -> None: ...

class _Plan:
    def __init__(
        self,
        layers: list[tuple[str, int, int, int, int, int, float]],
        loss: str,
        settings: dict[str, float],
        precision: tuple[int, float, int],
        /,
    ) -> None: ...
    def forward(self, flat: Array, x: Array, mode: _Mode, /) -> Array: ...
    def gradients(
        self,
        flat: Array,
        examples: _Examples,
        dflat: Array | None,
        dx: Array | None,
        mode: _Mode,
        /,
    ) -> float: ...
    def backward(
        self,
        flat: Array,
        x: Array,
        dy: Array,
        dflat: Array | None,
        dx: Array | None,
        mode: _Mode,
        /,
    ) -> None: ...
    def train(
        self,
        flat: Array,
        moments: list[Array],
        rule: Rule,
        examples: _Examples,
        steps: _Steps,
        batch_loss: Array,
        progress: Callable[[int], None] | None,
        mode: _Mode,
        own: Callable[[Array, int], tuple[float, Array]] | None,
        /,
    ) -> tuple[int, int, bool, bool, BaseException | None] | None: ...
    def loss_and_gradient(
        self, flat: Array, examples: _Examples, gradient: Array, mode: _Mode, /
    ) -> float | None: ...
    def apply_gradient(
        self,
        flat: Array,
        moments: list[Array],
        rule: Rule,
        lr: float,
        taken: Array,
        gradient: Array,
        running: Array,
        moved: Array | None,
        tolerance: float,
        /,
    ) -> tuple[float, bool] | None: ...
    def look(self, pairs: list[tuple[Array, Array]], /) -> None: ...
    def change(self, pairs: list[tuple[Array, Array]], /) -> bool: ...
    def profile(
        self,
        flat: Array,
        moments: list[Array],
        rule: Rule,
        examples: _Examples,
        steps: int,
        mode: _Mode,
        /,
    ) -> tuple[
        float,
        list[tuple[int, bool]],
        list[tuple[list[float], list[tuple[float, float]]]],
    ]: ...
    def fits(self, x: object, y: object, on_classes: bool, /) -> bool: ...
    def count_probabilities_from(self, least: float, /) -> None: ...
    def stepper(
        self,
        flat: Array,
        moments: list[Array],
        rule: Rule,
        taken: Array,
        mode: _Mode,
        on_classes: bool,
        /,
    ) -> _Stepper: ...
    def predictor(self, flat: Array, running: Array, held: tuple[int, int], /) -> _Predictor: ...

class _Predictor:
    def __init__(self, *args: NoReturn, **kwargs: NoReturn) -> None: ...  # a plan makes it
    def forward(self, x: Array, /) -> Array: ...
    @property
    def nbytes(self) -> int: ...

class _Stepper:
    def __init__(self, *args: NoReturn, **kwargs: NoReturn) -> None: ...  # a plan makes it
    def __call__(self, x: object, y: object, /) -> float | None: ...
    def loss_and_gradient(
        self, x: object, y: object, out: object, first_row: object, total_weight: object, /
    ) -> float | None: ...
    def apply_gradient(self, gradient: object, /) -> float | None: ...
    def retire(self) -> bool: ...

class StepperFloat32(_Stepper): ...
class StepperFloat64(_Stepper): ...
class PredictorFloat32(_Predictor): ...
class PredictorFloat64(_Predictor): ...
class PlanFloat32(_Plan): ...
class PlanFloat64(_Plan): ...

class _Together:
    def __init__(self) -> None: ...
    @staticmethod
    def size(plan: _Plan, rule: Rule, rows: int, /) -> int: ...
    def train(
        self,
        calls: list[tuple[_Plan, Array, list[Array], _Examples, _Steps, Array]],
        rule: Rule,
        progress: Callable[[int], None] | None,
        /,
    ) -> list[tuple[int, int, bool, bool, BaseException | None]] | None: ...

class TogetherFloat32(_Together): ...
class TogetherFloat64(_Together): ...
