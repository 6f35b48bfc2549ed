"""The `reference` model against numbers computed with the released implementation.

The files were computed with TensorFlow 2.15 on random weights and inputs; they hold every weight,
input, mask, output and loss, and two gradients.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from core.config import AggregatorConfig, EncoderConfig, LossConfig, ModelConfig, PretrainConfig
from core.encoders import ReferenceEncoder
from core.model import CrosslModel, ModalityShape

DATA = Path(__file__).parent / "data"
TOLERANCE = 1e-4

Numbers = dict[str, np.ndarray]


@pytest.fixture(params=["wesad", "pamap2"])
def numbers(request: pytest.FixtureRequest) -> Numbers:
    with np.load(DATA / f"crossl_forward_{request.param}.npz", allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def put(parameter: Any, values: np.ndarray) -> None:
    assert tuple(parameter.shape) == values.shape
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(values))


def conv_kernel(kernel: np.ndarray) -> np.ndarray:
    """(kernel, in, out) as TensorFlow has it, to (out, in, kernel)."""
    return kernel.transpose(2, 1, 0)


@pytest.fixture
def model(numbers: Numbers) -> CrosslModel:
    _, modalities, code = numbers["embeddings"].shape
    size = numbers["global_a"].shape[1]
    _, samples, channels = numbers["input/0"].shape
    config = ModelConfig(
        encoder=EncoderConfig(kind="reference", code=code, dropout=0.1, kernel_l2=1e-4),
        aggregator=AggregatorConfig(kind="reference", hidden=[64, size], output=size),
    )
    loss = LossConfig(
        invariance=10, variance=10, covariance=100, convention="reference", expander=[]
    )
    shapes = [ModalityShape(str(m), channels, 100.0, samples) for m in range(modalities)]
    model = CrosslModel.build(config, shapes, 0, PretrainConfig(loss=loss))
    for m, encoder in enumerate(model.encoders):
        assert isinstance(encoder, ReferenceEncoder)
        for i in range(3):
            prefix = f"encoder/{m}"
            conv, norm = encoder.convs[i], encoder.norms[i]
            put(conv.weight, conv_kernel(numbers[f"{prefix}/conv{i}/kernel"]))
            put(conv.bias, numbers[f"{prefix}/conv{i}/bias"])
            put(norm.weight, numbers[f"{prefix}/norm{i}/gamma"])
            put(norm.bias, numbers[f"{prefix}/norm{i}/beta"])
            put(encoder.slopes[i].weight, numbers[f"{prefix}/prelu{i}/alpha"])
            assert encoder.norms[i].eps == pytest.approx(float(numbers["layernorm_epsilon"]))
    aggregator: Any = model.aggregator
    for i in range(3):
        put(aggregator.dense[i].weight, numbers[f"aggregator/dense{i}/kernel"].T)
        put(aggregator.dense[i].bias, numbers[f"aggregator/dense{i}/bias"])
    put(aggregator.norm.weight, numbers["aggregator/norm/gamma"])
    put(aggregator.norm.bias, numbers["aggregator/norm/beta"])
    model.train()
    model.set_encoder_dropout(False)
    return model


def inputs(numbers: Numbers, model: CrosslModel) -> tuple[dict[str, Tensor], Tensor]:
    batch = {
        name: torch.from_numpy(numbers[f"input/{name}"]).transpose(1, 2) for name in model.names
    }
    return batch, torch.ones(len(numbers["mask_a"]), len(model.names), dtype=torch.bool)


def assert_close(ours: Tensor, theirs: np.ndarray) -> None:
    """Largest difference at most 1e-4 of the largest value."""
    difference = np.abs(ours.detach().numpy() - theirs).max()
    assert difference <= TOLERANCE * np.abs(theirs).max()


def total_loss(numbers: Numbers, model: CrosslModel) -> tuple[Tensor, dict[str, Tensor]]:
    batch, present = inputs(numbers, model)
    z = model.encode(batch, present)
    views = [
        model.aggregate(z, torch.from_numpy(numbers[name]).bool()) for name in ("mask_a", "mask_b")
    ]
    vicreg, terms = model.loss(*views)
    return vicreg + model.kernel_penalty(), terms | {"vicreg": vicreg}


def test_embeddings_agree_with_the_released_encoder(numbers: Numbers, model: CrosslModel) -> None:
    batch, present = inputs(numbers, model)
    assert_close(model.encode(batch, present), numbers["embeddings"])


def test_embeddings_agree_also_without_the_fast_path(numbers: Numbers, model: CrosslModel) -> None:
    batch, _ = inputs(numbers, model)
    encoders: Any = model.encoders
    z = torch.stack(
        [e.pool(e._plain(batch[name])) for name, e in zip(model.names, encoders, strict=True)], 1
    )
    assert_close(z, numbers["embeddings"])


def test_embeddings_agree_in_inference(numbers: Numbers, model: CrosslModel) -> None:
    batch, present = inputs(numbers, model)
    model.eval()
    with torch.inference_mode():
        assert_close(model.encode(batch, present), numbers["embeddings"])


def test_masked_global_embeddings_agree(numbers: Numbers, model: CrosslModel) -> None:
    batch, present = inputs(numbers, model)
    z = model.encode(batch, present)
    for view in ("a", "b"):
        keep = torch.from_numpy(numbers[f"mask_{view}"]).bool()
        assert_close(model.aggregate(z, keep), numbers[f"global_{view}"])


@pytest.mark.parametrize("term", ["invariance", "variance", "covariance", "vicreg"])
def test_loss_terms_agree(term: str, numbers: Numbers, model: CrosslModel) -> None:
    _, terms = total_loss(numbers, model)
    assert_close(terms[term], numbers[f"loss/{term}"])


def test_penalty_and_total_agree(numbers: Numbers, model: CrosslModel) -> None:
    total, _ = total_loss(numbers, model)
    assert_close(model.kernel_penalty(), numbers["loss/l2"])
    assert_close(total, numbers["loss/total"])


def test_gradients_agree(numbers: Numbers, model: CrosslModel) -> None:
    total, _ = total_loss(numbers, model)
    total.backward()
    encoders, aggregator = model.encoders, model.aggregator
    kernel: Any = encoders[0]
    dense: Any = aggregator
    assert_close(kernel.convs[0].weight.grad, conv_kernel(numbers["grad/encoder/0/conv0/kernel"]))
    assert_close(dense.dense[0].weight.grad, numbers["grad/aggregator/dense0/kernel"].T)
