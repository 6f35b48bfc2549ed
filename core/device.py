"""Which processor a run uses, and why; threads and precision."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from core.config import Device
from core.errors import ConfigError


@dataclass(frozen=True)
class DeviceChoice:
    """A device and the sentence that says why it is used."""

    device: torch.device
    reason: str


def choose_device(wanted: Device) -> DeviceChoice:
    """`auto` takes CUDA, then MPS, then the CPU. ConfigError when a named device is not there."""
    cuda_missing = _why_no_cuda()
    mps_missing = _why_no_mps()
    if wanted in ("auto", "cuda") and not cuda_missing:
        name = torch.cuda.get_device_name(0)
        return DeviceChoice(torch.device("cuda"), f"CUDA device {name}")
    if wanted == "cuda":
        raise ConfigError(f"device: cuda cannot be used: {cuda_missing}. Use cpu or auto.")
    if wanted in ("auto", "mps") and not mps_missing:
        return DeviceChoice(torch.device("mps"), "Apple GPU through MPS")
    if wanted == "mps":
        raise ConfigError(f"device: mps cannot be used: {mps_missing}. Use cpu or auto.")
    if wanted == "cpu":
        return DeviceChoice(torch.device("cpu"), "CPU, as asked")
    return DeviceChoice(torch.device("cpu"), f"CPU ({cuda_missing}; {mps_missing})")


def usable_devices() -> tuple[Device, ...]:
    """The values of `device` that this machine can do."""
    devices: list[Device] = ["auto", "cpu"]
    if not _why_no_cuda():
        devices.append("cuda")
    if not _why_no_mps():
        devices.append("mps")
    return tuple(devices)


def _why_no_cuda() -> str:
    if torch.version.cuda is None:
        return "this build of torch has no CUDA"
    if not torch.cuda.is_available():
        return "torch finds no CUDA device or driver"
    return ""


def _why_no_mps() -> str:
    if not torch.backends.mps.is_built():
        return "this build of torch has no MPS"
    if not torch.backends.mps.is_available():
        return "torch finds no Apple GPU"
    return ""


@contextlib.contextmanager
def torch_session(threads: int | None, device: torch.device) -> Iterator[None]:
    """Set torch's thread count, and TF32 on CUDA, for a run; put back what was before."""
    # With the first optimiser torch makes a folder for compiled code, of which this program has
    # none: `torchinductor_<user>` among the temporary files. Given a folder that is there, it
    # makes none.
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", tempfile.gettempdir())
    before = torch.get_num_threads()
    precision = torch.get_float32_matmul_precision()
    torch.set_num_threads(threads or os.cpu_count() or 1)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.set_float32_matmul_precision(precision)


def mixed_precision(
    precision: str, device: torch.device
) -> contextlib.AbstractContextManager[object]:
    """bfloat16 autocast on CUDA devices that have it; full precision anywhere else.

    bfloat16 has the range of float32, so that no scaling of the loss has to be kept in
    checkpoints.
    """
    if precision != "float32" and device.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return contextlib.nullcontext()
