import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ssd_plugin.ops.output_layout import OutputLayout


@st.composite
def layouts(draw):
    """Any layout that makes sense."""
    classes, background = draw(st.integers(1, 6)), draw(st.sampled_from(['first', 'last', None]))
    if background is None:
        return OutputLayout(classes, None)
    number = draw(st.integers(0, 4))
    outputs = classes + 1 + number
    others = [index for index in range(outputs) if index != (0 if background == 'first' else outputs - 1)]
    return OutputLayout(classes, background, tuple(draw(st.permutations(others)))[:number])


@given(layouts())
def test_classes_background_and_unused_outputs_are_all_outputs_once(layout):
    background = [] if layout.background is None else [layout.background_output]
    assert sorted([*layout.class_outputs, *background, *layout.unused]) == list(range(layout.num_outputs))
    assert list(range(layout.num_outputs))[layout.foreground_outputs] == sorted([*layout.class_outputs, *layout.unused])


@given(layouts())
def test_the_output_of_a_label_is_its_class_or_the_background(layout):
    background = [] if layout.background is None else [layout.background_output]
    labels = torch.arange(layout.num_classes + len(background))
    assert layout.outputs_of(labels).tolist() == [*layout.class_outputs, *background]


@given(layouts())
def test_confidences_are_those_of_the_classes_in_the_order_of_the_labels(layout):
    logits = torch.randn(3, layout.num_outputs)
    all_outputs = logits.sigmoid() if layout.background is None else logits.softmax(dim=-1)
    torch.testing.assert_close(layout.confidences(logits), all_outputs[:, layout.class_outputs])


@pytest.mark.parametrize(
    'layout, logits, expected',
    [
        # The class scores below the background although it reaches 0.4; then above; then equal.
        (OutputLayout(2), [[1.0, 2.0, 3.0], [1.0, 3.0, 2.0], [3.0, 1.0, 3.0]], [[0, 0], [0, 1], [0, 0]]),
        (OutputLayout(2, 'first'), [[3.0, 1.0, 2.0], [2.0, 1.0, 3.0], [3.0, 3.0, 1.0]], [[0, 0], [0, 1], [0, 0]]),
        # An unused output is the highest, or not.
        (OutputLayout(2, 'first', (2,)), [[0.0, 1.0, 9.0, 2.0], [0.0, 1.0, 1.5, 2.0]], [[0, 0], [0, 1]]),
        # Sigmoids have no background; of two equal ones the lower is taken.
        (OutputLayout(3, None), [[-5.0, -4.0, -6.0], [7.0, 8.0, 8.0]], [[0, 1, 0], [0, 1, 0]]),
    ],
)
def test_the_best_class_is_the_highest_output_unless_that_is_the_background_or_unused(layout, logits, expected):
    assert layout.best_classes(torch.tensor(logits)).int().tolist() == expected


def test_torchvisions_coco_layout_skips_the_ids_without_a_category():
    layout = OutputLayout(80, 'first', unused=(12, 26, 29, 30, 45, 66, 68, 69, 71, 83))
    assert layout.num_outputs == 91 and layout.class_outputs[10:13] == [11, 13, 14] and layout.class_outputs[-1] == 90


@pytest.mark.parametrize(
    'options, expected',
    [
        ({}, OutputLayout(3, 'last')),
        (dict(background='first', unused_outputs=[2]), OutputLayout(3, 'first', (2,))),
        (dict(use_sigmoid=True), OutputLayout(3, None)),
        # One of five outputs: the last that can be unused is the fourth, or with the background first the fifth.
        (dict(unused_outputs=[3]), OutputLayout(3, 'last', (3,))),
        (dict(background='first', unused_outputs=[4]), OutputLayout(3, 'first', (4,))),
        (dict(unused_outputs=[5]), OutputLayout(3, 'last')),
        (dict(background='first', unused_outputs=[2, 6]), OutputLayout(3, 'first')),
    ],
)
def test_the_layout_of_a_head_follows_from_its_arguments(options, expected):
    assert OutputLayout.of_head(3, **options) == expected


def test_a_background_beside_sigmoid_outputs_is_an_error():
    with pytest.raises(ValueError, match="remove background='last'"):
        OutputLayout.of_head(3, use_sigmoid=True, background='last')


def test_sigmoid_outputs_have_no_background():
    with pytest.raises(ValueError, match='no background'):
        OutputLayout(3, None).background_output  # noqa: B018 - the access is what fails
