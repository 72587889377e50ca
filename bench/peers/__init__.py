"""The contenders: densenet and other libraries, each at its best settings, by what they do.

A contender takes a `Task` and does epochs of it: the same batches in the same order, in float32. It
keeps results in the library's own type. Its library is imported when it is made, so the others need
not be installed. Each runs in a process of its own, see `worker`.
"""

from peers.contender import Contender
from peers.densenet import (
    DensenetFit,
    DensenetFitAlone,
    DensenetHalves,
    DensenetHighest,
    DensenetPredict,
    DensenetPredictAlone,
    DensenetPredictor,
    DensenetStep,
    ReferenceFit,
    ReferencePredict,
)
from peers.estimators import (
    DenseBagging,
    DenseBaggingAlone,
    DenseFit,
    DenseFitAlone,
    DensePredict,
    NetworkFit,
    SklearnBagging,
    SklearnWholeFit,
    TwentyFits,
)
from peers.jax import JaxPredict, JaxScan, JaxStep
from peers.many import FitMany, FitManyAlone, InTurn, JaxVmap, SklearnProcesses, ThreadPool
from peers.sklearn import SklearnFit, SklearnPredict
from peers.torch import (
    TorchAutocast,
    TorchCompiled,
    TorchForeach,
    TorchFused,
    TorchPredict,
    TorchPredictCompiled,
)

_WHOLE_FITS: dict[str, type[Contender]] = {
    "densenet, estimator": DenseFit,
    "densenet, by hand": NetworkFit,
    "densenet, one thread": DenseFitAlone,
    "scikit-learn": SklearnWholeFit,
}

CONTENDERS: dict[str, dict[str, type[Contender]]] = {
    "train": {
        "densenet, fit": DensenetFit,
        "densenet, train_step": DensenetStep,
        "densenet, two halves": DensenetHalves,
        "densenet, one thread": DensenetFitAlone,
        "densenet, highest precision": DensenetHighest,
        "PyTorch, fused Adam": TorchFused,
        "PyTorch, autocast": TorchAutocast,
        "PyTorch, foreach Adam": TorchForeach,
        "PyTorch, compiled": TorchCompiled,
        "JAX, jit a step": JaxStep,
        "JAX, jit an epoch": JaxScan,
        "scikit-learn": SklearnFit,
        "NumPy reference": ReferenceFit,
    },
    "predict": {
        "densenet, predict_proba": DensenetPredict,
        "densenet, predictor": DensenetPredictor,
        "densenet, DenseClassifier": DensePredict,
        "densenet, one thread": DensenetPredictAlone,
        "PyTorch, inference mode": TorchPredict,
        "PyTorch, compiled": TorchPredictCompiled,
        "JAX, jit": JaxPredict,
        "scikit-learn": SklearnPredict,
        "NumPy reference": ReferencePredict,
    },
    "classifier": _WHOLE_FITS,
    "regressor": _WHOLE_FITS,
    "bagging": {
        "densenet, estimator": DenseBagging,
        "densenet, by hand": TwentyFits,
        "densenet, one thread": DenseBaggingAlone,
        "scikit-learn": SklearnBagging,
    },
    "many": {
        "densenet, fit_many": FitMany,
        "densenet, thread pool": ThreadPool,
        "densenet, fit in turn": InTurn,
        "densenet, one thread": FitManyAlone,
        "scikit-learn, processes": SklearnProcesses,
        "JAX, vmap": JaxVmap,
    },
}
