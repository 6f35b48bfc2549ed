"""Agreement of raters against scikit-learn and by hand; consensus; labels laid on epochs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, confusion_matrix, f1_score

from core.agreement import agreement, consensus, epoch_codes, fleiss_kappa

NAMES = ("W", "N1", "N2", "REM")
SECOND = 1_000_000_000


def row(text: str) -> np.ndarray:
    """`01.2` is class 0, class 1, unlabelled, class 2."""
    return np.array([-1 if sign == "." else int(sign) for sign in text])


# ---------------------------------------------------------------- two raters


def test_figures_of_two_raters_by_hand() -> None:
    found = agreement(row("000111122.2"), row("0011112221."), NAMES)
    assert found.epochs == 9
    assert found.confusion.tolist() == [[2, 1, 0, 0], [0, 3, 1, 0], [0, 0, 2, 0], [0, 0, 0, 0]]
    assert found.accuracy == pytest.approx(7 / 9)
    # By chance 3 × 2 + 4 × 4 + 2 × 3 of 81 agree.
    assert found.kappa == pytest.approx((63 - 28) / (81 - 28))
    assert found.class_agreement == (0.8, 0.75, 0.8, None)
    # Class 0: both say so twice, both say another six times; by chance 3 × 2 + 6 × 7 of 81.
    assert found.class_kappa[0] == pytest.approx((72 - 48) / (81 - 48))
    assert found.class_kappa[3] is None
    assert found.disagreements.tolist() == [2, 6]


def test_a_worked_example() -> None:
    # 20 + 15 of 50 agree; by chance 0.5 × 0.6 + 0.5 × 0.4 = 0.5 do: kappa = (0.7 − 0.5) / 0.5.
    first = np.repeat([0, 0, 1, 1], [20, 5, 10, 15])
    second = np.repeat([0, 1, 0, 1], [20, 5, 10, 15])
    found = agreement(first, second, ("yes", "no"))
    assert found.confusion.tolist() == [[20, 5], [10, 15]]
    assert (found.epochs, found.accuracy) == (50, 0.7)
    assert found.kappa == pytest.approx(0.4)
    assert found.class_kappa == pytest.approx((0.4, 0.4))  # of two classes each is the other's rest
    assert found.class_agreement == pytest.approx((40 / 55, 30 / 45))
    assert found.disagreements.tolist() == list(range(20, 35))


def test_what_only_one_labelled_is_not_compared() -> None:
    found = agreement(row("0.1.2"), row("01..1"), NAMES)
    assert found.epochs == 2
    assert found.accuracy == 0.5
    assert found.disagreements.tolist() == [4]


def test_what_is_not_defined_is_none() -> None:
    nothing = agreement(row("0.."), row(".1."), NAMES)
    assert (nothing.epochs, nothing.accuracy, nothing.kappa) == (0, None, None)
    assert nothing.class_kappa == nothing.class_agreement == (None,) * 4
    assert not len(nothing.disagreements)
    same = agreement(row("111"), row("111"), NAMES)
    assert (same.accuracy, same.kappa) == (1.0, None)
    assert same.class_kappa == (None,) * 4
    assert same.class_agreement == (None, 1.0, None, None)
    apart = agreement(row("111"), row("222"), NAMES)
    assert (apart.accuracy, apart.kappa) == (0.0, 0.0)
    assert apart.class_agreement == (None, 0.0, 0.0, None)


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 3)), max_size=60))
@settings(max_examples=150, deadline=None)
def test_figures_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    first, second = np.array(pairs, np.int64).reshape(-1, 2).T
    found = agreement(first, second, NAMES)
    both = (first >= 0) & (second >= 0)
    a, b = first[both], second[both]
    assert found.epochs == len(a)
    assert found.disagreements.tolist() == [
        k for k, (x, y) in enumerate(pairs) if x != y and x >= 0 and y >= 0
    ]
    if not len(a):
        return
    assert found.accuracy == pytest.approx((a == b).mean())
    expected = confusion_matrix(a, b, labels=range(4))
    np.testing.assert_array_equal(found.confusion, expected)
    if len({*a.tolist(), *b.tolist()}) > 1:
        assert found.kappa == pytest.approx(cohen_kappa_score(a, b))
    else:
        assert found.kappa is None
    for k in range(4):
        x, y = a == k, b == k
        if not (x.any() or y.any()):
            assert found.class_kappa[k] is None
            assert found.class_agreement[k] is None
            continue
        assert found.class_agreement[k] == pytest.approx(f1_score(x, y))
        if x.all() and y.all():
            assert found.class_kappa[k] is None
        else:
            assert found.class_kappa[k] == pytest.approx(cohen_kappa_score(x, y))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (row("01"), row("0")),
        (row("04"), row("00")),
        (np.array([-2, 0]), row("00")),
        (np.array([0.5, 0]), row("00")),
        (np.zeros((2, 2), int), np.zeros((2, 2), int)),
    ],
)
def test_rows_that_do_not_fit_are_refused(first: np.ndarray, second: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"epochs|classes|class"):
        agreement(first, second, NAMES)


# ---------------------------------------------------------------- several raters


def test_consensus_is_what_most_raters_say() -> None:
    rows = [row("0011.2.0"), row("01112..1"), row("0122.1.2")]
    assert consensus(rows).tolist() == [0, 1, 1, 1, -1, -1, -1, -1]
    assert consensus(np.array(rows)).tolist() == consensus(rows).tolist()
    # Most need not be more than half.
    four = [row("0"), row("0"), row("1"), row("2")]
    assert consensus(four).tolist() == [0]
    assert consensus(rows).dtype == np.int64


def test_a_tie_goes_to_the_first_of_the_trusted_raters_who_chose_one_of_the_tied() -> None:
    rows = [row("002."), row("1111"), row("1102"), row("00.2")]
    assert consensus(rows).tolist() == [-1, -1, -1, 2]
    assert consensus(rows, tie="first").tolist() == [0, 0, 2, 2]
    assert consensus(rows, [1, 0, 2, 3], tie="first").tolist() == [1, 1, 1, 2]
    # The most trusted one is alone with class 2: the others' tie is not his to settle.
    rows = [row("2"), row("0"), row("1"), row("1"), row("0")]
    assert consensus(rows, tie="first").tolist() == [0]
    assert consensus(rows, [0, 2, 1, 3, 4], tie="first").tolist() == [1]


def test_epochs_with_too_few_labels_stay_unlabelled() -> None:
    rows = [row("0.1."), row("0..."), row("0.1.")]
    assert consensus(rows, minimum=3).tolist() == [0, -1, -1, -1]
    assert consensus(rows).tolist() == [0, -1, 1, -1]
    rows = [row("0.12"), row("...1")]
    assert consensus(rows).tolist() == [-1, -1, -1, -1]
    assert consensus(rows, minimum=1, tie="first").tolist() == [0, -1, 1, 2]
    assert consensus([row("..."), row("...")], tie="first").tolist() == [-1, -1, -1]
    assert consensus([row(""), row("")]).tolist() == []


def test_a_consensus_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="two raters"):
        consensus([row("01")])
    with pytest.raises(ValueError, match="two raters"):
        consensus([])
    with pytest.raises(ValueError, match="minimum"):
        consensus([row("01"), row("01")], minimum=0)
    with pytest.raises(ValueError, match="each row once"):
        consensus([row("01"), row("01")], [0, 0])


@given(st.lists(st.lists(st.integers(-1, 2), min_size=5, max_size=5), min_size=2, max_size=5))
@settings(max_examples=100, deadline=None)
def test_consensus_counts_like_a_loop(rows: list[list[int]]) -> None:
    expected = []
    for votes in zip(*rows, strict=True):
        counts = [votes.count(k) for k in range(3)]
        best = [k for k in range(3) if counts[k] == max(counts) > 0]
        enough = sum(counts) >= 2
        expected.append(next(v for v in votes if v in best) if enough else -1)
    arrays = [np.array(r) for r in rows]
    assert consensus(arrays, tie="first").tolist() == expected
    clear = consensus(arrays)
    assert (clear[clear >= 0] == np.array(expected)[clear >= 0]).all()


def test_fleiss_kappa_of_the_textbook_example() -> None:
    # Fourteen raters, ten cases, five classes: kappa is 0.210.
    table = [
        (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
        (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
    ]  # fmt: skip
    rows = np.array([np.repeat(np.arange(5), counts) for counts in table]).T
    assert fleiss_kappa(rows) == pytest.approx(0.210, abs=5e-4)
    # Epochs with one label or none have no say.
    more = np.full((14, 3), -1)
    more[0, 0] = 4
    assert fleiss_kappa(np.hstack([rows, more])) == pytest.approx(fleiss_kappa(rows))


def test_fleiss_kappa_by_hand_with_an_epoch_that_one_rater_left_out() -> None:
    rows = [row("0011"), row("0010"), row("00.0")]
    # Pairs agree by 1, 1, 1, 1/3; shares of class 0 are 1, 1, 0, 2/3 on average 2/3.
    chance = (2 / 3) ** 2 + (1 / 3) ** 2
    assert fleiss_kappa(rows) == pytest.approx((10 / 12 - chance) / (1 - chance))


def test_fleiss_kappa_that_is_not_defined_is_none() -> None:
    assert fleiss_kappa([row("00"), row("00")]) is None
    assert fleiss_kappa([row("0."), row(".1")]) is None
    assert fleiss_kappa([]) is None
    assert fleiss_kappa([row("01"), row("10")]) == pytest.approx(-1)
    assert fleiss_kappa([row("01"), row("01")]) == pytest.approx(1)


# ---------------------------------------------------------------- epochs


def lay(*labels: tuple[float, float, int], epochs: int = 4, offset_s: float = 0.0) -> list[int]:
    starts, ends, codes = (np.array(x) for x in zip(*labels, strict=True))
    times = ((x * SECOND).astype(np.int64) for x in (starts, ends))
    found = epoch_codes(*times, codes, 30 * SECOND, round(offset_s * SECOND), epochs)
    assert found.dtype == np.int64
    return found.tolist()


def test_an_epoch_has_the_class_that_covers_most_of_it() -> None:
    assert lay((0, 30, 1), (30, 60, 0), (60, 120, 2)) == [1, 0, 2, 2]
    assert lay((0, 16, 1), (16, 30, 0), (31, 40, 0), (40, 60, 3)) == [1, 3, -1, -1]
    # Two stretches of one class count together.
    assert lay((0, 9, 1), (9, 20, 0), (20, 29, 1)) == [1, -1, -1, -1]
    assert lay((0, 15, 1), (15, 30, 0)) == [0, -1, -1, -1]  # a tie: the lowest number


def test_labels_must_cover_half_of_an_epoch_to_the_nanosecond() -> None:
    assert lay((0, 15, 1)) == [1, -1, -1, -1]
    assert epoch_codes([0], [15 * SECOND - 1], [1], 30 * SECOND, 0, 1).tolist() == [-1]
    assert lay((5, 12, 1), (20, 28, 2)) == [2, -1, -1, -1]  # together half
    assert lay((0, 8, 1), (8, 30, -1)) == [-1] * 4


def test_the_grid_may_begin_anywhere_and_labels_may_reach_beyond_it() -> None:
    assert lay((-100, 50, 1), (50, 1000, 2), offset_s=20) == [1, 2, 2, 2]
    assert lay((-100, 50, 1), (50, 1000, 2), offset_s=-40) == [1, 1, 1, 2]
    assert lay((-50, -10, 1), (500, 600, 2)) == [-1] * 4
    assert lay((0, 90, 1), epochs=0) == []
    far = 10**18  # a clock time in nanoseconds: more than a float tells apart
    found = epoch_codes([far], [far + 15], [7], 30, far, 2)
    assert found.tolist() == [7, -1]


def test_no_labels_leave_every_epoch_unlabelled() -> None:
    empty = np.array([], np.int64)
    assert epoch_codes(empty, empty, empty, 30, 0, 3).tolist() == [-1] * 3
    assert lay((10, 10, 1)) == [-1] * 4


def test_labels_that_overlap_or_are_out_of_order_are_refused() -> None:
    for labels in (((0, 10, 1), (9, 20, 1)), ((10, 20, 1), (0, 5, 1)), ((5, 0, 1),)):
        with pytest.raises(ValueError, match="order of time"):
            lay(*labels)
    with pytest.raises(ValueError, match="longer than nothing"):
        epoch_codes([0], [1], [0], 0, 0, 1)


@given(
    edges=st.lists(st.integers(-20, 60), min_size=2, max_size=16, unique=True),
    data=st.data(),
    offset=st.integers(-10, 10),
    epoch=st.integers(1, 9),
)
@settings(max_examples=200, deadline=None)
def test_epochs_are_covered_as_counted_unit_by_unit(
    edges: list[int], data: st.DataObject, offset: int, epoch: int
) -> None:
    edges = sorted(edges)
    starts, ends = np.array(edges[:-1]), np.array(edges[1:])
    codes = np.array(data.draw(st.lists(st.integers(-1, 2), min_size=len(starts),
                                        max_size=len(starts))))  # fmt: skip
    found = epoch_codes(starts, ends, codes, epoch, offset, 6)
    for k in range(6):
        units = [
            int(codes[i])
            for t in range(offset + k * epoch, offset + (k + 1) * epoch)
            for i in range(len(starts))
            if starts[i] <= t < ends[i] and codes[i] >= 0
        ]
        counts = [units.count(c) for c in range(3)]
        expected = counts.index(max(counts)) if 2 * len(units) >= epoch and units else -1
        assert found[k] == expected
