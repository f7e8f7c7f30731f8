import numpy as np
import pytest

from meddiff_core.metrics.froc import find_peaks, scan_findings, sensitivity

SHAPE, SPACING = (60, 20, 20), (1.0, 2.0, 2.0)


def spots(**scores):
    """A map with single voxels above 0: `x10=3` has the score 3 at (10, 5, 5)."""
    score_map = np.zeros(SHAPE)
    for name, score in scores.items():
        score_map[int(name[1:]), 5, 5] = score
    return score_map


def findings(lesions_at=(), **scores):
    lesion = np.zeros(SHAPE, dtype=bool)
    for x in lesions_at:
        lesion[x - 1 : x + 2, 4:7, 4:7] = True
    return scan_findings(spots(**scores), lesion, np.ones(SHAPE, dtype=bool), SPACING)


@pytest.mark.parametrize(("second", "count"), [(19, 1), (20, 1), (21, 2)])
def test_a_finding_has_no_higher_one_within_10_mm(second, count):
    voxels, scores = find_peaks(spots(x10=3, **{f"x{second}": 2}), np.ones(SHAPE, bool), SPACING)
    assert len(voxels) == count and scores.max() == 3
    assert [10, 5, 5] in voxels.tolist()


def test_a_plateau_is_one_finding_and_nothing_counts_beside_the_organ():
    score_map, organ = np.zeros(SHAPE), np.ones(SHAPE, bool)
    score_map[10:14, 5:7, 5:7] = 2
    organ[40:] = False
    score_map[50] = 9
    voxels, scores = find_peaks(score_map, organ, SPACING)
    assert len(voxels) == 1 and scores.tolist() == [2]


def test_an_empty_map_finds_nothing():
    nothing = findings(lesions_at=(10,))
    assert nothing.false.size == 0 and nothing.lesions.tolist() == [0]
    assert sensitivity([nothing], 8) == 0


@pytest.mark.parametrize(("allowed", "share"), [(1, 0.5), (2, 1.0), (4, 1.0)])
def test_a_lesion_is_found_if_few_enough_false_ones_score_as_high(allowed, share):
    scan = findings(lesions_at=(10, 25), x10=9, x25=5, x40=8, x55=7)
    assert sorted(scan.false) == [7, 8] and scan.lesions.tolist() == [9, 5]
    assert sensitivity([scan], allowed) == share


def test_false_findings_are_counted_over_all_scans():
    quiet, loud = findings(lesions_at=(10,), x10=5), findings(x10=9, x25=8, x40=7)
    assert sensitivity([quiet, loud], 1) == 0  # the third of two scans' false ones is above
    assert sensitivity([quiet, loud, findings()], 1) == 1


def test_the_diameter_is_that_of_a_ball_and_sorts_the_lesions():
    scan = findings(lesions_at=(10,), x10=5)
    assert scan.diameters[0] == pytest.approx((6 * 27 * 4 / np.pi) ** (1 / 3))
    assert sensitivity([scan], 1, "below 10 mm") == 1
    assert np.isnan(sensitivity([scan], 1, "20 mm and more"))
