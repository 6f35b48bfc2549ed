"""Files are whole or as they were, and nothing is ever pickled."""

from __future__ import annotations

import ast
import os
import stat
from pathlib import Path

import pytest
import torch

from core.atomic_file import write_atomically
from core.checkpoint import (
    load_tensors,
    pack_optimizer,
    replace_folder,
    save_tensors,
    unpack_optimizer,
    write_json,
)
from core.errors import ModelError, OutputError


def test_tensors_and_plain_values_come_back_as_they_were(tmp_path: Path) -> None:
    tensors = {"a": torch.randn(3, 4), "b": torch.tensor(7), "c": torch.tensor([True, False])}
    save_tensors(tmp_path / "x.safetensors", tensors, {"epoch": 3, "name": "é"})
    back, state = load_tensors(tmp_path / "x.safetensors")
    assert state == {"epoch": 3, "name": "é"}
    assert set(back) == set(tensors)
    assert all(torch.equal(back[name], tensors[name]) for name in tensors)


def test_a_view_into_a_larger_tensor_is_saved_alone(tmp_path: Path) -> None:
    large = torch.arange(1000.0)
    save_tensors(tmp_path / "x", {"part": large[::2][:3]}, {})
    assert load_tensors(tmp_path / "x")[0]["part"].tolist() == [0, 2, 4]
    assert (tmp_path / "x").stat().st_size < 500


def test_two_names_for_the_same_memory_are_saved_both(tmp_path: Path) -> None:
    values = torch.arange(6.0)
    save_tensors(tmp_path / "x", {"a": values, "b": values[None], "c": values[:3]}, {})
    back, _ = load_tensors(tmp_path / "x")
    assert back["b"].tolist() == [values.tolist()]
    assert back["c"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("cut", [0, 4, 20, -1])
def test_a_file_cut_short_is_a_model_error_with_its_path(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "x.safetensors"
    save_tensors(path, {"a": torch.zeros(100)}, {})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ModelError, match="damaged") as caught:
        load_tensors(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        load_tensors(tmp_path / "x")


def test_an_optimizer_goes_on_as_if_never_saved(tmp_path: Path) -> None:
    def train(steps: int, layer: torch.nn.Linear, optimizer: torch.optim.Optimizer) -> None:
        for step in range(steps):
            optimizer.zero_grad()
            layer(torch.full((2, 3), float(step))).square().sum().backward()
            optimizer.step()

    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1)
    train(3, layer, optimizer)
    tensors, groups = pack_optimizer(optimizer)
    save_tensors(tmp_path / "x", tensors, {"groups": groups})
    other = torch.nn.Linear(3, 2)
    other.load_state_dict(layer.state_dict())
    fresh = torch.optim.AdamW(other.parameters(), lr=5.0)
    back, state = load_tensors(tmp_path / "x")
    unpack_optimizer(fresh, back, state["groups"])
    train(3, layer, optimizer)
    train(3, other, fresh)
    assert torch.equal(layer.weight, other.weight)


def test_what_cannot_be_written_leaves_the_old_file_and_no_leftovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.json"
    write_atomically(path, b"old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left") as caught:
        write_atomically(path, b"new")
    assert str(path) in str(caught.value)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]


def test_a_file_in_the_way_of_a_folder_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_atomically(tmp_path / "a" / "b.json", b"")
    with pytest.raises(OutputError, match="cannot be written"):
        replace_folder(tmp_path / "a" / "model", {"x": b""})


def test_json_refuses_what_is_not_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    assert not (tmp_path / "x.json").exists()


def test_files_can_be_read_by_whom_the_umask_allows(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    write_atomically(tmp_path / "ours", b"")
    replace_folder(tmp_path / "model", {"x": b""})
    plain = stat.S_IMODE((tmp_path / "plain").stat().st_mode)
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == plain
    assert stat.S_IMODE((tmp_path / "model" / "x").stat().st_mode) == plain


def test_a_replaced_folder_holds_the_new_files_alone(tmp_path: Path) -> None:
    replace_folder(tmp_path / "model", {"a": b"1", "b": b"2"})
    replace_folder(tmp_path / "model", {"b": b"3"})
    assert {p.name: p.read_bytes() for p in (tmp_path / "model").iterdir()} == {"b": b"3"}
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_a_folder_that_cannot_be_finished_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_folder(tmp_path / "model", {"a": b"1"})
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OutputError):
        replace_folder(tmp_path / "model", {"a": b"2"})
    assert (tmp_path / "model" / "a").read_bytes() == b"1"
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_nothing_in_the_program_pickles(repository: Path) -> None:
    unsafe = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    calls = {("torch", "load"), ("torch", "save")}
    found = []
    for package in ("core", "crossl_app", "ui"):
        for path in (repository / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = []
                if isinstance(node, ast.Import):
                    names = [alias.name.split(".")[0] for alias in node.names]
                elif isinstance(node, ast.ImportFrom):
                    names = [(node.module or "").split(".")[0]]
                elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                    if (node.value.id, node.attr) in calls:
                        found.append(f"{path}: {node.value.id}.{node.attr}")
                elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                    found.append(f"{path}: allow_pickle")
                found += [f"{path}: {name}" for name in names if name in unsafe]
    assert not found
