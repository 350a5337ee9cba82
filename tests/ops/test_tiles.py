import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import box_iou

from ssd_plugin.ops.boxes import clip_to_image
from ssd_plugin.ops.detections import Detections
from ssd_plugin.ops.tiles import BORDER, merge_windows, tile_windows

# Two windows of 100x80 in an image of 160x80, which overlap by 40.
SIZE = (160, 80)
PAIR = torch.tensor([[0, 0, 100, 80], [60, 0, 160, 80]])


def test_windows_are_spread_evenly_from_border_to_border():
    # 100 - 40 = 60 from window to window at most: 2 steps of 50 to the last one, which starts at 200 - 100.
    assert tile_windows((200, 80), (100, 80), 0.4).tolist() == [[0, 0, 100, 80], [50, 0, 150, 80], [100, 0, 200, 80]]
    assert tile_windows((20, 31), (10, 20), 0).tolist() == [
        [0, 0, 10, 20],
        [10, 0, 20, 20],
        [0, 11, 10, 31],
        [10, 11, 20, 31],
    ]


def test_an_image_smaller_than_a_window_has_one_that_reaches_beyond_it():
    assert tile_windows((50, 170), (100, 80), 0).tolist() == [[0, 0, 100, 80], [0, 45, 100, 125], [0, 90, 100, 170]]
    assert tile_windows((100, 80), (100, 80), 0.9).tolist() == [[0, 0, 100, 80]]


@settings(max_examples=100, deadline=None)
@given(
    st.tuples(st.integers(1, 400), st.integers(1, 400)),
    st.tuples(st.integers(20, 150), st.integers(20, 150)),
    st.floats(0, 0.9),
)
def test_windows_cover_the_image_with_the_overlap_and_no_more_of_them_than_needed(size, tile, overlap):
    windows = tile_windows(size, tile, overlap)
    assert (windows[:, 2:] - windows[:, :2] == torch.tensor(tile)).all()
    for axis in (0, 1):
        starts, side, length = windows[:, axis].unique(), tile[axis], size[axis]
        assert starts[0] == 0 and starts[-1] == max(length - side, 0)
        assert (side - starts.diff() >= overlap * side - 1e-6).all()
        # One less could not cover the image in steps of whole pixels.
        step = max(int(side * (1 - overlap)), 1)
        assert len(starts) == 1 or (len(starts) - 2) * step < length - side
    assert len(windows) == len(windows[:, 0].unique()) * len(windows[:, 1].unique())


def merged(rows, size=SIZE, windows=PAIR, **options):
    """Rows of (window, x1, y1, x2, y2, score, label)."""
    table = torch.tensor(rows, dtype=torch.float32).reshape(-1, 7)
    found = Detections(table[:, 1:5], table[:, 5], table[:, 6].long())
    kept = merge_windows(found, table[:, 0].long(), windows, size, **{'iou_threshold': 0.45, **options})
    return [(*box, round(score, 3), label) for box, score, label in zip(*(field.tolist() for field in kept))]


def test_a_box_cut_at_an_inner_border_is_dropped_where_another_window_shows_more():
    # The first window sees the left part of an object that the second one sees whole, in another class and surer.
    assert merged([(0, 80, 10, 100, 30, 0.9, 1), (1, 80, 10, 120, 30, 0.3, 0)]) == [(80, 10, 120, 30, 0.3, 0)]
    # Even if it finds nothing there.
    assert merged([(0, 80, 10, 100, 30, 0.9, 1)]) == []


def test_a_box_at_the_border_of_the_image_is_not_cut():
    assert merged([(0, 80, 0, 93, 80, 0.9, 1), (1, 150, 60, 160, 80, 0.8, 0)]) == [
        (80, 0, 93, 80, 0.9, 1),
        (150, 60, 160, 80, 0.8, 0),
    ]


def test_parts_of_an_object_larger_than_the_overlap_are_kept_once():
    # 60..100 of 40..130 and 60..130: half of the first part lies in the second, which no window shows whole.
    rows = [(0, 40, 10, 100, 30, 0.6, 1), (1, 61, 10, 130, 30, 0.8, 1)]
    assert merged(rows) == [(61, 10, 130, 30, 0.8, 1)]
    # Not those of another class.
    assert len(merged([(0, 40, 10, 100, 30, 0.6, 1), (1, 61, 10, 130, 30, 0.8, 0)])) == 2
    # Within a window, suppression has decided already: here by an IoU of 37/60, although all of one is in the other.
    assert len(merged([(0, 40, 10, 100, 30, 0.6, 1), (0, 63, 10, 100, 30, 0.5, 1)], iou_threshold=0.9)) == 2


def test_what_is_suppressed_suppresses_nothing():
    windows = torch.tensor([[0, 0, 100, 80], [60, 0, 160, 80], [120, 0, 220, 80]])
    rows = [(0, 0, 0, 100, 80, 0.9, 0), (1, 61, 0, 160, 80, 0.8, 0), (2, 121, 0, 200, 80, 0.7, 0)]
    # The second covers 39 of 100 of the first: both stay, and the third is not half covered by the second.
    assert [row[4] for row in merged(rows, (220, 80), windows)] == [0.9, 0.8, 0.7]
    rows[0], rows[1] = (0, 0, 0, 100, 80, 0.9, 0), (1, 61, 0, 125, 80, 0.8, 0)
    assert [row[4] for row in merged(rows, (220, 80), windows)] == [0.9, 0.7]


def test_equal_boxes_are_suppressed_per_class_and_the_best_are_kept_in_order():
    rows = [
        (0, 70, 20, 90, 40, 0.5, 1),
        (1, 70, 20, 91, 40, 0.6, 1),
        (0, 70, 20, 90, 40, 0.5, 0),
        (0, 20, 20, 40, 40, 0.7, 1),
    ]
    assert [row[4:] for row in merged(rows)] == [(0.7, 1), (0.6, 1), (0.5, 0)]
    assert [row[4:] for row in merged(rows, max_per_image=2)] == [(0.7, 1), (0.6, 1)]
    # Equal scores: the lower class, then the earlier one.
    assert [row[4:] for row in merged(rows, iou_threshold=None)] == [(0.7, 1), (0.6, 1), (0.5, 0), (0.5, 1)]


def test_no_detections_stay_none():
    assert merged([]) == []


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.25, 0.4, 0.6]), st.integers(60, 200), st.integers(60, 200))
def test_of_a_detector_that_finds_what_it_sees_every_object_smaller_than_the_overlap_is_found_once(
    seed, overlap, width, height
):
    size, tile = (width, height), (60, 50)
    random = torch.Generator().manual_seed(seed)
    windows = tile_windows(size, tile, overlap)
    largest = (overlap - 2 * BORDER) * torch.tensor(tile)
    corner = torch.rand(30, 2, generator=random) * (torch.tensor(size) - largest)
    objects = torch.cat([corner, corner + (0.3 + 0.7 * torch.rand(30, 2, generator=random)) * largest], dim=1)
    # Those that overlap one before are left out.
    objects = objects[~(box_iou(objects, objects).tril(-1) > 0).any(dim=1)]
    boxes, window, labels = [], [], []
    for index, (left, top, right, bottom) in enumerate(windows.tolist()):
        origin = torch.tensor([left, top, left, top])
        seen = clip_to_image(objects - origin, bottom - top, right - left) + origin
        visible = (seen[:, 2:] - seen[:, :2] > 0).all(dim=1)
        boxes.append(seen[visible])
        window += [index] * int(visible.sum())
        # A part may be taken for another class.
        whole = (seen == objects).all(dim=1)
        labels.append(torch.where(whole, 0, torch.randint(2, whole.shape, generator=random))[visible])
    scores = torch.rand(len(window), generator=random)
    found = Detections(torch.cat(boxes), scores, torch.cat(labels))
    kept = merge_windows(found, torch.tensor(window), windows, size, iou_threshold=0.45)
    nearest = (kept.boxes.unsqueeze(1) - objects).abs().amax(dim=2)
    assert len(kept.boxes) == len(objects) and (nearest.min(dim=0).values < 1e-4).all()
    assert (kept.labels == 0).all() and (kept.scores.diff() <= 0).all()


def test_windows_move_by_a_pixel_at_least():
    assert tile_windows((5, 1), (2, 1), 0.99).tolist() == [[x, 0, x + 2, 1] for x in range(4)]
