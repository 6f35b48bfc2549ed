"""Pyramids on disk fit what they were made of, are never trusted blindly, and take little room."""

from __future__ import annotations

import os
import shutil
import time
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from edfio import Edf, EdfSignal

from core import envelope_cache as module
from core.config import CsvConfig
from core.envelope import CHUNK, ChannelEnvelope, Pyramid, build_envelopes, envelopes_of
from core.envelope_cache import EnvelopeCache
from core.errors import ConfigError
from core.montage import Montage, display_channels, montage_for
from core.open_recording import open_file
from core.progress import RunContext
from core.recording import Recording

Usage = namedtuple("Usage", "total used free")
SECONDS = 3000


def write_edf(path: Path, seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    signals = [
        EdfSignal(20 * rng.normal(size=SECONDS * 128), 128, label=label, physical_dimension="uV")
        for label in ("EEG C3", "EEG M2")
    ]
    Edf(signals).write(path)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_edf(tmp_path / "night.edf")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def opened(recording: Recording, **settings: object) -> tuple[ChannelEnvelope, ...]:
    montage = Montage(tuple(replace(t, **settings) for t in montage_for(recording).traces))
    return envelopes_of(display_channels(montage, recording))


def build(path: Path, folder: Path, **settings: object) -> tuple[ChannelEnvelope, ...]:
    channels = opened(open_file(path), **settings)
    build_envelopes(channels, RunContext(), None, EnvelopeCache(folder))
    return channels


def keys(path: Path, **settings: object) -> list[str | None]:
    cache = EnvelopeCache(path.parent / "unused")
    return [cache.key(channel.channel) for channel in opened(open_file(path), **settings)]


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def same(one: Pyramid | None, other: Pyramid | None) -> bool:
    assert one is not None
    assert other is not None
    return all(np.array_equal(a, b) for a, b in zip(one.levels, other.levels, strict=True))


def test_a_recording_opens_the_second_time_without_building(path: Path, folder: Path, monkeypatch):
    first = build(path, folder)
    assert len(files(folder)) == 2
    assert not any("night" in file.name or "C3" in file.name for file in files(folder))
    plain = opened(open_file(path))
    build_envelopes(plain, RunContext())
    monkeypatch.setattr(ChannelEnvelope, "build", lambda *_: pytest.fail("built again"))
    second = build(path, folder)
    for a, b, c in zip(first, second, plain, strict=True):
        assert same(a.pyramid, c.pyramid)
        assert same(b.pyramid, c.pyramid)


def test_what_is_on_disk_does_not_lie_in_memory_as_well(path: Path, folder: Path):
    for channel in build(path, folder):
        assert channel.pyramid is not None
        for level in channel.pyramid.levels:
            base = level
            while isinstance(base.base, np.ndarray):
                base = base.base
            assert isinstance(base, np.memmap) or "mmap" in type(base.base).__name__
            assert not level.flags.writeable


def test_filter_derivation_and_file_make_another_key_and_looks_do_not(path: Path, tmp_path: Path):
    plain = keys(path)
    assert len(set(plain)) == 2
    assert keys(path, low_hz=0.3)[0] != plain[0]
    assert keys(path, low_hz=0.3) != keys(path, low_hz=0.5)
    assert keys(path, notch_hz=50.0)[0] not in (plain[0], keys(path, low_hz=50.0)[0])
    assert keys(path, minus=("EEG M2",))[0] != plain[0]
    assert keys(path, modality="eeg", average_reference=True)[0] != plain[0]
    assert keys(path, unit="mV")[0] != plain[0]
    assert keys(path, inverted=True, sensitivity=50.0, modality="eeg") == plain
    moved = tmp_path / "elsewhere" / "other.edf"
    moved.parent.mkdir()
    shutil.move(path, moved)
    assert keys(moved) == plain
    write_edf(path, seed=1)
    assert not set(keys(path)) & set(plain)


def test_a_change_in_the_middle_of_a_file_is_noticed(path: Path):
    before = keys(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 + 40_000] ^= 0xFF
    path.write_bytes(data)
    later = path.stat().st_mtime + 5
    os.utime(path, (later, later))
    assert not set(keys(path)) & set(before)


def test_settings_of_the_reader_make_another_key(tmp_path: Path):
    path = tmp_path / "watch.csv"
    path.write_text("a;b\n" + "".join(f"{k % 7}.5;{k}\n" for k in range(2000)))
    found = set()
    for config in (
        CsvConfig(separator=";", rate_hz=50.0),
        CsvConfig(separator=";", rate_hz=25.0),
        CsvConfig(separator=";", rate_hz=50.0, skip_rows=2, columns=["a", "b"]),
    ):
        recording = open_file(path, config)
        found.add(EnvelopeCache(tmp_path).key(opened(recording)[0].channel))
    assert len(found) == 3


@pytest.mark.parametrize("damage", ["cut", "longer", "byte", "header", "empty", "text", "other"])
def test_a_damaged_pyramid_is_built_anew(path: Path, folder: Path, damage: str):
    whole = build(path, folder)
    victim, other = files(folder)
    data = victim.read_bytes()
    broken = {
        "cut": data[:-4],
        "longer": data + b"\0\0\0\0",
        "byte": data[:9000] + bytes([data[9000] ^ 1]) + data[9001:],
        "header": data[:14] + b"\xff" + data[15:],
        "empty": b"",
        "text": b"hello" * 3000,
        "other": other.read_bytes(),
    }[damage]
    victim.unlink()  # the one that is mapped stays as it is
    victim.write_bytes(broken)
    again = build(path, folder)
    for one, two in zip(whole, again, strict=True):
        assert same(one.pyramid, two.pyramid)
    assert files(folder)[0].read_bytes() == data


def test_where_nothing_can_be_written_pyramids_stay_in_memory(path: Path, tmp_path: Path):
    folder = tmp_path / "file" / "cache"
    folder.parent.write_text("in the way")
    assert all(channel.pyramid is not None for channel in build(path, folder))


def test_a_disk_without_room_is_no_error(path: Path, folder: Path, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: Usage(10**9, 10**9, 0))
    assert all(channel.pyramid is not None for channel in build(path, folder))
    assert files(folder) == []


def test_a_disk_that_fills_up_while_writing_leaves_no_half_file(
    path: Path, folder: Path, monkeypatch
):
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_write", fail)
    assert all(channel.pyramid is not None for channel in build(path, folder))
    assert files(folder) == []


def test_a_read_only_folder_is_still_good_to_read(path: Path, folder: Path, monkeypatch):
    build(path, folder)

    def fail(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(module.os, "utime", fail)
    monkeypatch.setattr(ChannelEnvelope, "build", lambda *_: pytest.fail("built again"))
    build(path, folder)


def test_what_was_used_longest_ago_makes_room(path: Path, folder: Path, monkeypatch):
    build(path, folder)
    size = files(folder)[0].stat().st_size
    first, second = files(folder)
    for file, age_s in ((first, 300), (second, 200)):
        os.utime(file, (time.time() - age_s,) * 2)
    monkeypatch.setenv("CROSSL_ENVELOPE_LIMIT_MB", str(3.5 * size / (1 << 20)))
    kept = build(path, folder, low_hz=1.0)  # two more
    left = set(files(folder))
    assert first not in left
    assert second in left
    assert len(left) == 3
    assert len(kept) == 2


def test_what_is_in_use_or_fresh_is_not_taken_away(path: Path, folder: Path, monkeypatch):
    monkeypatch.setenv("CROSSL_ENVELOPE_LIMIT_MB", "1")  # for one of them
    cache = EnvelopeCache(folder)
    channels = opened(open_file(path))
    build_envelopes(channels, RunContext(), None, cache)
    for file in files(folder):
        os.utime(file, (time.time() - 300,) * 2)
    build_envelopes(opened(open_file(path), low_hz=1.0), RunContext(), None, cache)
    assert len(files(folder)) == 4
    for file in files(folder):
        os.utime(file, (time.time() - 300,) * 2)
    del channels
    build_envelopes(opened(open_file(path), low_hz=2.0), RunContext(), None, cache)
    assert len(files(folder)) == 2


def test_what_a_killed_process_left_is_removed_when_it_is_old(path: Path, folder: Path):
    folder.mkdir()
    old, fresh = folder / "a-1.part", folder / "b-2.part"
    for part, age_s in ((old, 2 * 86400), (fresh, 10)):
        part.write_bytes(b"half")
        os.utime(part, (time.time() - age_s,) * 2)
    build(path, folder)
    assert not old.exists()
    assert fresh.exists()


def test_a_limit_that_is_no_number_is_refused(folder: Path, monkeypatch):
    monkeypatch.setenv("CROSSL_ENVELOPE_LIMIT_MB", "much")
    with pytest.raises(ConfigError, match="CROSSL_ENVELOPE_LIMIT_MB is 'much'"):
        EnvelopeCache(folder)


def test_without_a_folder_the_user_s_cache_is_used(path: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("CROSSL_CACHE_DIR", str(tmp_path / "mine"))
    build_envelopes(opened(open_file(path)), RunContext(), None, EnvelopeCache())
    assert len(files(tmp_path / "mine" / "envelopes")) == 2


def test_a_recording_that_is_gone_from_disk_has_no_key(path: Path, folder: Path):
    channels = opened(open_file(path))
    channels[0].channel.read(0, 10)
    path.unlink()
    assert EnvelopeCache(folder).key(channels[0].channel) is None


def test_channels_of_any_length_are_kept_whole(folder: Path):
    cache = EnvelopeCache(folder)
    rng = np.random.default_rng(0)
    for samples in (1, 8, 9, 4097, CHUNK - 1, CHUNK, CHUNK + 1):
        levels = tuple(rng.normal(size=(2, n)).astype(np.float32) for n in Pyramid.bins(samples))
        key = f"{samples:032x}"
        assert same(cache.store(key, Pyramid(levels)), Pyramid(levels))
        assert same(cache.load(key, samples), Pyramid(levels))
        assert cache.load(key, samples + CHUNK) is None  # of another length: not this channel's
