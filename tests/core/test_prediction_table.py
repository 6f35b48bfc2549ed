"""A table of predictions is read with all it says; what it does not say is not invented."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import CrosslError
from core.prediction_table import PredictionTable, read_prediction_table, view_of_table

HEAD = "start_s,end_s,fold,label,predicted,confidence,p_walk,p_rest,present,fragility,"
ROWS = (
    "2,6,1,rest,walk,0.7,0.7,0.3,acc;gyro,0.5,0.2,0.1",
    "0,4,0,rest,rest,0.9,0.1,0.9,acc,0,0.4,",
    "4,8,final,,,,,,,,,",
)


def write(folder: Path, head: str = HEAD + "shapley_gyro,shapley_acc", rows=ROWS) -> Path:
    path = folder / "p.csv"
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


@pytest.fixture
def table(tmp_path: Path) -> PredictionTable:
    return read_prediction_table(write(tmp_path))


def test_probabilities_and_shares_are_read_in_the_order_of_the_file(table: PredictionTable) -> None:
    assert table.classes == ("walk", "rest")
    np.testing.assert_allclose(table.probabilities[:2], [[0.1, 0.9], [0.7, 0.3]])
    assert np.isnan(table.probabilities[2]).all()
    assert table.modalities == ("gyro", "acc")
    np.testing.assert_allclose(table.shapley[:2], [[0.4, np.nan], [0.2, 0.1]])
    assert table.fold == ("0", "1", "final")


def test_the_view_has_the_classes_of_the_run_first(table: PredictionTable) -> None:
    view = view_of_table(table, ("rest", "run", "walk"))
    assert view.classes == ("rest", "run", "walk")
    np.testing.assert_allclose(view.probabilities[0, [0, 2]], [0.9, 0.1], rtol=1e-6)
    assert np.isnan(view.probabilities[0, 1])  # the table does not know that class
    assert view.predicted.tolist() == [0, 2, -1]
    assert view.labels.tolist() == [0, 0, -1]
    assert view.differs.tolist() == [False, True, False]
    np.testing.assert_allclose(view.confidence, [0.9, 0.7, np.nan], rtol=1e-6)
    assert view.starts_s.tolist() == [0, 2, 4]
    assert view.ends_s.tolist() == [2, 4, 8]
    assert view.length_s == 4


def test_the_view_knows_modalities_and_who_was_held_out(table: PredictionTable) -> None:
    view = view_of_table(table, ("rest", "walk"))
    assert view.modalities == ("gyro", "acc")
    assert view.present.tolist() == [[False, True], [True, True], [False, False]]
    assert view.kept == (0, 1)
    assert view.held_out.tolist() == [True, True, False]
    assert not view.changed.any()
    np.testing.assert_allclose(view.shapley[1], [0.2, 0.1], rtol=1e-6)


def test_without_probabilities_only_the_predicted_class_has_one(tmp_path: Path) -> None:
    head = "start_s,end_s,label,predicted,confidence,present"
    rows = ("0,2,a,b,0.6,eeg;emg", "2,4,,a,,eeg", "4,6,a,,,")
    table = read_prediction_table(write(tmp_path, head, rows))
    assert table.classes == table.modalities == ()
    assert table.probabilities.shape == (3, 0)
    view = view_of_table(table, ("a", "b", "c"))
    np.testing.assert_allclose(view.probabilities[0], [np.nan, 0.6, np.nan], rtol=1e-6)
    assert np.isnan(view.probabilities[1:]).all()
    assert view.predicted.tolist() == [1, 0, -1]  # also where no confidence is given
    assert np.isnan(view.confidence[1])
    assert view.modalities == ("eeg", "emg")
    assert not view.held_out.any()
    assert np.isnan(view.shapley).all()
    assert view.unsure.tolist() == [False, False, False]


def test_classes_that_only_the_table_has_come_last(tmp_path: Path) -> None:
    path = write(tmp_path, "start_s,end_s,label,predicted", ("0,2,odd,a", "2,4,,new"))
    assert view_of_table(read_prediction_table(path), ("a",)).classes == ("a", "odd", "new")


def test_an_empty_table_makes_an_empty_view(tmp_path: Path) -> None:
    table = read_prediction_table(write(tmp_path, rows=()))
    assert len(table) == 0
    view = view_of_table(table, ("rest", "walk"))
    assert len(view) == 0
    assert view.present.shape == (0, 2)
    assert view.at(0.0) is None


def test_a_figure_that_is_none_is_said_with_its_column(tmp_path: Path) -> None:
    path = write(tmp_path, "start_s,end_s,predicted,p_a", ("0,2,a,much",))
    with pytest.raises(CrosslError, match=r"line 2: 'much' in column p_a"):
        read_prediction_table(path)
