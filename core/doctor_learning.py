"""The doctor's questions about learning: torch, the processors it may use, a little training."""

from __future__ import annotations

import math
import sys
import warnings
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from core.build_info import build_info
from core.doctor import Answer, Question, in_words
from core.doctor_machine import bytes_text
from core.scratch import scratch_folder

if TYPE_CHECKING:
    import torch

    from core.config import Device
    from core.model import CrosslModel
    from core.pretrain import FetchBatch

LEARNING = "Learning"
EPOCHS = 8


def questions() -> tuple[Question, ...]:
    return (
        Question(LEARNING, "torch", _torch),
        Question(LEARNING, "device of runs", _device, essential=False),
        Question(LEARNING, "NVIDIA GPU", _nvidia_gpu, essential=False),
        *(
            [Question(LEARNING, "Apple GPU", _apple_gpu, essential=False)]
            if sys.platform == "darwin"
            else []
        ),
        Question(LEARNING, "training", partial(learn_a_little, "cpu")),
    )


def _torch() -> Answer:
    import torch

    cuda = torch.version.cuda
    able = torch.backends.cpu.get_cpu_capability()
    threads = torch.get_num_threads()
    built = f"built for CUDA {cuda}" if cuda else "built without CUDA"
    return Answer(
        f"{torch.__version__}, {built}, {threads} thread{'s' * (threads != 1)}, "
        f"processor used as {able}",
        figures={
            "version": str(torch.__version__),
            "cuda": cuda,
            "threads": threads,
            "cpu_capability": able,
        },
    )


def _device() -> Answer:
    """What a run with the device `auto` takes."""
    from core.device import choose_device, usable_devices

    return Answer(choose_device("auto").reason, figures={"usable": list(usable_devices())})


# ---------------------------------------------------------------- GPUs


def _nvidia_gpu() -> Answer:
    import torch

    from core.device import usable_devices

    hint = build_info().gpu_hint()
    with warnings.catch_warnings(record=True) as said:
        # torch says here, and only here, that a driver is too old.
        warnings.simplefilter("always")
        usable = "cuda" in usable_devices()
    if usable:
        return _gpus_that_work(torch.cuda.device_count())
    if torch.version.cuda is None:
        return Answer("not used: this build of torch has no CUDA", "note", hint)
    return Answer(
        f"not used: {_why_no_driver([str(one.message) for one in said])}",
        "note",
        "Where there is an NVIDIA GPU, install or update its driver; the command nvidia-smi shows "
        "whether the system sees both. Without a GPU everything works, more slowly.",
    )


def _why_no_driver(said: list[str]) -> str:
    """The reason in torch's own words, for a build that has CUDA."""
    import torch

    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        said = [*said, str(error)]
    text = next((" ".join(one.split()) for one in said if one.strip()), "")
    first = text.split(". ")[0].rstrip(".")
    return first or "torch finds no CUDA device or driver"


def _gpus_that_work(count: int) -> Answer:
    import torch

    names = []
    for number in range(count):
        about = torch.cuda.get_device_properties(number)
        names.append(f"{about.name} with {bytes_text(about.total_memory)}")
    return _with_training(", ".join(names), "cuda", {"devices": names})


def _apple_gpu() -> Answer:
    import torch

    from core.device import usable_devices

    if "mps" in usable_devices():
        return _with_training("used through MPS", "mps", {})
    built = torch.backends.mps.is_built()
    why = "torch finds no Apple GPU" if built else "this build of torch has no MPS"
    return Answer(f"not used: {why}", "note")


def _with_training(value: str, device: Device, figures: dict[str, object]) -> Answer:
    """A GPU that is there may still fail in use: too new, too old, or full."""
    advice = "Choose the device cpu until this is mended."
    try:
        learnt = learn_a_little(device)
    except Exception as error:
        return Answer(f"{value}; training on it fails: {in_words(error)}", "failed", advice)
    if learnt.status == "failed":
        return Answer(f"{value}; {learnt.value}", "failed", advice)
    return Answer(f"{value}; {learnt.value}", figures={**figures, **learnt.figures})


# ---------------------------------------------------------------- learning


def learn_a_little(device: Device) -> Answer:
    """A few epochs of pretraining on made-up windows; the loss must be finite, and fall."""
    from core.device import choose_device, torch_session
    from core.pretrain import pretrain
    from core.progress import RunContext

    model, fetch, count = _little_study()
    chosen = choose_device(device).device
    with scratch_folder("doctor"), torch_session(1, chosen):
        result = pretrain(
            model,
            fetch,
            np.arange(count),
            model.pretrain_config,
            seed=0,
            device=chosen,
            context=RunContext(),
        )
    losses = [one.loss for one in result.epochs]
    figures = {"first_loss": losses[0], "last_loss": losses[-1], "epochs": len(losses)}
    if not all(map(math.isfinite, losses)):
        return Answer("the loss is no finite number", "failed")
    if losses[-1] >= losses[0]:
        return Answer(
            f"the loss did not fall ({losses[0]:.4g} to {losses[-1]:.4g})", "failed", "", figures
        )
    return Answer(
        f"{len(losses)} small epochs, the loss fell from {losses[0]:.3g} to {losses[-1]:.3g}",
        figures=figures,
    )


def _little_study() -> tuple[CrosslModel, FetchBatch, int]:
    """A small network and 96 windows of two sensors that feel the same movement."""
    import torch

    from core.config import AggregatorConfig, EncoderConfig, LossConfig, ModelConfig, PretrainConfig
    from core.model import CrosslModel, ModalityShape

    count, samples, rate_hz = 96, 50, 25.0
    shapes = [ModalityShape("acc", 2, rate_hz, samples), ModalityShape("gyro", 1, rate_hz, samples)]
    generator = np.random.default_rng(0)
    seconds = np.arange(samples) / rate_hz
    pace = generator.uniform(0.5, 4.0, (count, 1, 1))
    swing = np.sin(2 * np.pi * pace * seconds + generator.uniform(0, 6.28, (count, 1, 1)))
    inputs = {
        shape.name: torch.from_numpy(
            (swing + 0.3 * generator.normal(size=(count, shape.channels, samples))).astype("f4")
        )
        for shape in shapes
    }
    model = CrosslModel.build(
        ModelConfig(
            encoder=EncoderConfig(code=16, widths=[8, 8, 16], latent_steps=5),
            aggregator=AggregatorConfig(hidden=[16], output=16),
        ),
        shapes,
        seed=0,
        pretrain=PretrainConfig(
            epochs=EPOCHS, batch_size=32, learning_rate=5e-3, loss=LossConfig(expander=[16])
        ),
    )

    def fetch(rows: np.ndarray) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        picked = torch.from_numpy(rows)
        windows = {name: values[picked] for name, values in inputs.items()}
        return windows, torch.ones(len(rows), len(shapes), dtype=torch.bool)

    return model, fetch, count
