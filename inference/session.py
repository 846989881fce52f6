"""The only door to ONNX Runtime: providers that were probed, buffers that are bound, batches that are padded."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from bci.errors import ModelError
from inference.bundle import RESTORE, ModelBundle
from inference.graph_contract import OUTPUTS, Tensor, contract, misfit, opset_of

Provider = Literal["tensorrt", "cuda", "cpu"]
PROVIDERS: tuple[Provider, ...] = ("tensorrt", "cuda", "cpu")

MAX_BATCH = 64
"""Windows in one call; more are split."""

_ORT_NAMES: dict[Provider, str] = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
_DRIVER = {"linux": ("libcuda.so.1",), "win32": ("nvcuda.dll",)}
_CUDA = (getattr(ort, "cuda_version", None) or "13.0").split(".")[0]
"""Release of CUDA that this ONNX Runtime was built with: no other will do."""

# What the providers' own libraries are linked against (`readelf -d`), and cuDNN, which CUDA's opens itself.
_LIBRARIES: dict[Provider, dict[str, tuple[str, ...]]] = {
    "cuda": {
        "linux": (
            f"libcudart.so.{_CUDA}",
            f"libcublasLt.so.{_CUDA}",
            f"libcublas.so.{_CUDA}",
            "libcurand.so.10",
            "libcudnn.so.9",
        ),
        "win32": (f"cudart64_{_CUDA}.dll", f"cublasLt64_{_CUDA}.dll", f"cublas64_{_CUDA}.dll", "cudnn64_9.dll"),
    },
    "tensorrt": {
        "linux": ("libnvinfer.so.10", "libnvonnxparser.so.10"),
        "win32": ("nvinfer_10.dll", "nvonnxparser_10.dll"),
    },
}

Loader = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class ProviderChoice:
    """Which providers a session asks for, and why not the others.

    Parameters
    ----------
    providers
        In order of preference, `cpu` last.
    fallbacks
        One sentence for each wish that was not granted.
    """

    providers: tuple[Provider, ...]
    fallbacks: tuple[str, ...]


@functools.cache
def _preload_wheels() -> None:
    """Load CUDA and cuDNN from NVIDIA's wheels, which no loader finds by itself; without them nothing happens."""
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find; our own probe says it
        ort.preload_dlls()


def load_library(name: str) -> object:
    """Load a shared library, of the system's or of NVIDIA's wheels.

    Raises
    ------
    OSError
        If it does not load.
    """
    if sys.platform in _DRIVER and name not in _DRIVER[sys.platform]:
        _preload_wheels()
    return ctypes.CDLL(name)


def missing_library(provider: Provider, load: Loader = load_library) -> str | None:
    """Say what keeps a provider from working here; None if nothing does.

    ONNX Runtime prints pages of native errors when it is asked for a provider whose libraries do not load, so they
    are loaded here first.
    """
    if provider == "cpu":
        return None
    if _ORT_NAMES[provider] not in ort.get_available_providers():
        return "this build of ONNX Runtime has no such provider"
    if sys.platform not in _DRIVER:
        return f"it does not exist on {sys.platform}"
    needed = [*_DRIVER[sys.platform], *_LIBRARIES["cuda"][sys.platform]]
    if provider == "tensorrt":
        needed += _LIBRARIES["tensorrt"][sys.platform]
    return next((f"{name} does not load" for name in needed if not _loads(name, load)), None)


def _loads(name: str, load: Loader) -> bool:
    try:
        load(name)
    except OSError:
        return False
    return True


def choose_providers(wanted: Sequence[Provider] | None = None, *, load: Loader = load_library) -> ProviderChoice:
    """Keep the wanted providers whose libraries load; the CPU is always the last resort.

    Parameters
    ----------
    wanted
        In order of preference, as a person asked: then what could not be had is a fallback, which announces itself.
        None tries TensorRT and CUDA; where there is no GPU that is no news, and where its driver loads but no
        provider does, it is.
    load
        Loads a shared library or raises OSError.

    Raises
    ------
    ModelError
        For an unknown provider.
    """
    asked = PROVIDERS if wanted is None else wanted
    unknown = [name for name in asked if name not in PROVIDERS]
    if unknown:
        msg = f"unknown provider '{unknown[0]}'; known are {', '.join(PROVIDERS)}"
        raise ModelError(msg)
    lacking = {name: missing_library(name, load) for name in asked}
    usable: tuple[Provider, ...] = tuple(name for name in asked if lacking[name] is None and name != "cpu")
    fallbacks = tuple(f"{name}: {why}; using {usable[0] if usable else 'cpu'}" for name, why in lacking.items() if why)
    told = wanted is not None or (not usable and all(_loads(name, load) for name in _DRIVER.get(sys.platform, ("?",))))
    return ProviderChoice((*usable, "cpu"), fallbacks if told else ())


@dataclass(frozen=True, slots=True)
class ModelOutput:
    """What the graph says of a batch; float32 (batch,) each."""

    logit: NDArray[np.float32]
    spread: NDArray[np.float32]
    ood: NDArray[np.float32]


class FocusSession:
    """A loaded and warmed-up graph, its buffers bound once for each shape that occurs.

    Not thread-safe: the engine's worker is its one user.

    Parameters
    ----------
    bundle
        A verified model.
    choice
        From `choose_providers`.
    threads
        Of one call. One is fastest for a model this small, and leaves the rest of the machine alone.
    """

    def __init__(self, bundle: ModelBundle, choice: ProviderChoice | None = None, threads: int = 1) -> None:
        self.bundle = bundle
        choice = choice or choose_providers()
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        graph = bundle.graph.read_bytes()
        try:
            self._session = ort.InferenceSession(
                graph, options, providers=[_ORT_NAMES[name] for name in choice.providers]
            )
        except Exception as error:  # onnxruntime raises a dozen unrelated classes; each means the same to us
            msg = f"{bundle.graph} is no graph that ONNX Runtime can load ({_reason(error)}); {RESTORE}"
            raise ModelError(msg) from error
        self._check_contract(graph)
        active = self._session.get_providers()[0]
        self.provider: Provider = next(key for key, name in _ORT_NAMES.items() if name == active)
        self.fallbacks = choice.fallbacks
        if self.provider != choice.providers[0]:
            self.fallbacks += (f"{choice.providers[0]}: ONNX Runtime refused it; using {self.provider}",)
        self._buffers: dict[tuple[int, int], _Buffers] = {}
        self._shared: dict[int, _Inputs] = {}
        self.run(*self.inputs(1, 4))  # warm-up: the first call plans memory, and a GPU compiles kernels

    def _check_contract(self, graph: bytes) -> None:
        card = self.bundle.card
        wanted = contract(card.tokens, len(card.bands_hz))
        for side, nodes in (("inputs", self._session.get_inputs()), ("outputs", self._session.get_outputs())):
            fault = misfit(side, [_tensor(node.name, node.type, node.shape) for node in nodes], wanted[side])
            if fault is not None:
                msg = f"{self.bundle.graph} has other {fault}; {RESTORE}"
                raise ModelError(msg)
        opset = opset_of(graph)
        if opset != card.opset:
            msg = f"{self.bundle.graph} is of opset {opset}, model.toml says {card.opset}; {RESTORE}"
            raise ModelError(msg)

    def inputs(self, batch: int, channels: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
        """Give the bound input arrays for a shape, to be filled in place and run before another shape is asked for.

        Parameters
        ----------
        batch
            1..MAX_BATCH.
        channels
            As from `channel_bucket`.

        Returns
        -------
        x (batch, channels, tokens, bands), position_m (batch, channels, 3), mask (batch, channels, tokens)
        """
        buffers = self._buffers.get((batch, channels))
        if buffers is None:
            buffers = _Buffers(self._session, self._inputs(batch, channels), batch)
            self._buffers[batch, channels] = buffers
        return buffers.x, buffers.position_m, buffers.mask

    def _inputs(self, batch: int, channels: int) -> _Inputs:
        inputs = self._shared.get(channels)
        if inputs is None or len(inputs.x) < batch:
            card = self.bundle.card
            inputs = _Inputs(max(batch, MAX_BATCH), channels, card.tokens, len(card.bands_hz))
            self._shared[channels] = inputs
        return inputs

    def run(self, x: NDArray[np.float32], position_m: NDArray[np.float32], mask: NDArray[np.bool_]) -> ModelOutput:
        """Score a batch that lies in the arrays of `inputs`.

        Raises
        ------
        ModelError
            If the runtime fails.
        """
        buffers = self._buffers.get((x.shape[0], x.shape[1]))
        if buffers is None or buffers.x is not x or buffers.position_m is not position_m or buffers.mask is not mask:
            msg = "run() takes the arrays that inputs() gave"
            raise ModelError(msg)
        try:
            return buffers.run(self._session)
        except Exception as error:  # as above
            msg = f"{self.bundle.graph}: ONNX Runtime cannot run it ({_reason(error)}); {RESTORE}"
            raise ModelError(msg) from error


class _Inputs:
    """Input arrays of one channel count, which all batches share: with arrays of its own each costs as much again."""

    def __init__(self, most: int, channels: int, tokens: int, bands: int) -> None:
        self.x = np.zeros((most, channels, tokens, bands), np.float32)
        self.position_m = np.zeros((most, channels, 3), np.float32)
        self.mask = np.ones((most, channels, tokens), np.bool_)
        self.mask[:, 0] = False  # never a fully masked item, not even at warm-up


class _Buffers:
    """The first rows of the input arrays, and their I/O binding; on a GPU the runtime copies them over at each run."""

    def __init__(self, session: ort.InferenceSession, inputs: _Inputs, batch: int) -> None:
        self.x, self.position_m, self.mask = inputs.x[:batch], inputs.position_m[:batch], inputs.mask[:batch]
        self._out = {name: np.zeros(batch, np.float32) for name in OUTPUTS}
        self._binding = session.io_binding()
        for name, array in (("x", self.x), ("position_m", self.position_m), ("mask", self.mask)):
            self._binding.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        for name, array in self._out.items():
            self._binding.bind_output(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)

    def run(self, session: ort.InferenceSession) -> ModelOutput:
        session.run_with_iobinding(self._binding)
        return ModelOutput(**{name: array.copy() for name, array in self._out.items()})


def _tensor(name: str, kind: str, shape: Sequence[int | str | None]) -> Tensor:
    """Write an input or output of a session as the contract does; a free dimension may have no name."""
    dtype = {"tensor(float)": "float32", "tensor(bool)": "bool"}.get(kind, kind)
    return Tensor(name, dtype, tuple("?" if size is None else size for size in shape))


def _reason(error: Exception) -> str:
    """Take what ONNX Runtime says for people out of the first line of its message, which begins with its codes."""
    return str(error).splitlines()[0].rpartition(" : ")[2].rstrip(".")


def channel_bucket(channels: int) -> int:
    """Round a channel count up, so that streams of similar size share a call; the added channels are masked."""
    step = 4 if channels <= 32 else 16
    return -(-channels // step) * step


def runtime_description() -> str:
    """Version and built-in providers of ONNX Runtime, for `focusloop doctor`."""
    names = cast("list[str]", ort.get_available_providers())
    return f"ONNX Runtime {ort.__version__} ({', '.join(n.removesuffix('ExecutionProvider') for n in names)})"
