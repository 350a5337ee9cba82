import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from ssd_plugin.analysis import match_figures, prior_figures
from ssd_plugin.analysis.config_priors import priors_of
from ssd_plugin.analysis.input_images import ImageObjects, blank
from ssd_plugin.analysis.prior_matches import match_objects, matcher_of
from ssd_plugin.errors import UserError
from tests.support import config


def boxes_of(axis, linestyle=None):
    """The outlines of a panel, but for the border of the image, as (x1, y1, x2, y2) to two decimals."""
    patches = [patch for patch in axis.patches if isinstance(patch, Rectangle) and not patch.get_fill()][1:]
    edges = [(p.get_x(), p.get_y(), p.get_x() + p.get_width(), p.get_y() + p.get_height()) for p in patches]
    return [
        tuple(round(value, 2) for value in box)
        for patch, box in zip(patches, edges)
        if linestyle is None or (patch.get_linestyle() in ('-', 'solid')) == (linestyle == '-')
    ]


@pytest.fixture
def ssd300():
    return priors_of(config('ssd300_voc.py'))


def test_each_level_has_a_panel_with_its_numbers_and_the_priors_of_its_center(ssd300):
    cells = prior_figures.check_cells(ssd300, range(6), None)
    assert cells == [[(19, 19)], [(9, 9)], [(5, 5)], [(2, 2)], [(1, 1)], [(0, 0)]]
    figure = prior_figures.draw_priors(ssd300, blank((300, 300)), range(6), cells, title='ssd300')
    assert figure.get_suptitle() == 'ssd300'
    titles = [axis.get_title() for axis in figure.axes]
    assert titles[2] == 'level 2: 10x10 cells, stride 32\n6 priors per cell, 600 in all; cell 5,5'
    assert len(titles) == 6 and titles[5].startswith('level 5: 1x1 cells, stride 300\n4 priors')
    # Level 2, cell 5,5: its center is at (5.5 * 32, 5.5 * 32), its first prior measures 111.
    assert boxes_of(figure.axes[2])[0] == (120.5, 120.5, 231.5, 231.5) and len(boxes_of(figure.axes[2])) == 6
    sizes = [text.get_text() for text in figure.axes[5].get_legend().get_texts()]
    assert sizes == ['264x264', '288.4x288.4', '373.4x186.7', '186.7x373.4']


def test_chosen_levels_and_cells_are_drawn(ssd300):
    levels = prior_figures.check_levels(ssd300, [4, 3, 4])
    cells = prior_figures.check_cells(ssd300, levels, [(0, 0), (2, 1)])
    figure = prior_figures.draw_priors(ssd300, blank((300, 300)), levels, cells)
    assert levels == [4, 3] and [len(boxes_of(axis)) for axis in figure.axes] == [8, 12]
    # Level 4, cells of 100 pixels: row 2 and column 1 have their center at (150, 250).
    assert boxes_of(figure.axes[0])[4] == (150 - 106.5, 250 - 106.5, 150 + 106.5, 250 + 106.5)


def test_the_grid_has_the_borders_of_the_cells():
    priors = priors_of(config('bccd/ssd_depthwise_bccd.py'))
    figure = prior_figures.draw_priors(priors, blank((320, 240)), [3], [[(0, 0)]])
    (lines,) = figure.axes[0].collections
    # 5x4 cells of 64x60 pixels.
    found = [[tuple(point) for point in line] for line in lines.get_segments()]
    assert found[:6] == [[(x, 0), (x, 240)] for x in (0, 64, 128, 192, 256, 320)]
    assert found[6:] == [[(0, y), (320, y)] for y in (0, 60, 120, 180, 240)]


def test_priors_before_clipping_are_dashed():
    priors = priors_of(config('recipes/ssd300_tutorial_voc.py'))
    used, both = (
        prior_figures.draw_priors(priors, blank((300, 300)), [5], [[(0, 0)]], unclipped=flag).axes[0]
        for flag in (False, True)
    )
    assert len(boxes_of(used)) == 4 and boxes_of(used, '--') == []
    # Those of ratio 2 and 1/2 are larger than the image; the squares of 270 and 300 pixels are not.
    assert boxes_of(both, '-') == boxes_of(used) and len(boxes_of(both, '--')) == 2
    assert boxes_of(both, '--')[0] == (-40.92, 54.54, 340.92, 245.46)
    low, high = both.get_xlim()
    assert low < -40.9 and high > 340.9
    assert used.get_legend().get_texts()[2].get_text() == '381.8x190.9 to 300x190.9'


@pytest.mark.parametrize(
    'levels, cells, message',
    [
        ([6], None, '--level 6: the config has levels 0 to 5'),
        ([-1], None, '--level -1'),
        ([2, 3], [(5, 0)], '--cell 5,0: the feature map of level 3 has rows 0 to 4 and columns 0 to 4'),
        ([0], [(0, 38)], '--cell 0,38'),
    ],
)
def test_levels_and_cells_that_the_config_lacks_are_errors(ssd300, levels, cells, message):
    with pytest.raises(UserError, match=message):
        prior_figures.check_cells(ssd300, prior_figures.check_levels(ssd300, levels), cells)


@pytest.fixture
def matched():
    """One object that is a prior, one far smaller than all, one without area; the last has an ignore flag."""
    cfg = config('bccd/ssd_depthwise_bccd.py')
    priors = priors_of(cfg)
    boxes = torch.tensor([[132, 100, 172, 140], [20, 20, 26, 26], [50, 50, 50, 60], [200, 100, 290, 190]]).float()
    ignored = torch.tensor([False, False, False, True])
    objects = ImageObjects(boxes, torch.tensor([0, 2, 1, 1]), ignored, ['RBC', 'Platelets', 'WBC', 'WBC'])
    image = blank(priors.input_size)._replace(objects=objects, name='cells.png')
    return priors, image, match_objects(matcher_of(cfg), priors.used, objects)


def test_matched_priors_are_on_their_level_in_the_color_of_their_object(matched):
    priors, image, matches = matched
    figure = match_figures.draw_matches(priors, image, matches, [0, 1, 2, 3])
    first, *levels = figure.axes[:5]
    assert boxes_of(first) == [tuple(box) for box in image.objects.boxes.tolist()]
    tags = [text.get_text() for text in first.texts]
    assert tags == ['0 RBC', '1 Platelets', '2 WBC: no prior', '3 WBC']
    assert first.get_title() == 'cells.png\nobjects: 4, without a prior: 1'
    level = priors.locate(matches.prior)[:, 0]
    assert [len(boxes_of(axis)) for axis in levels] == [int((level == k).sum()) for k in range(4)]
    colors = [to_rgb(patch.get_edgecolor()) for patch in first.patches[1:]]
    assert len(set(colors)) == 4
    # The small object has one prior, below the threshold, on level 0.
    assert boxes_of(levels[0], '--') == boxes_of(levels[0]) and len(boxes_of(levels[0])) == 1
    assert to_rgb(levels[0].patches[1].get_edgecolor()) == colors[1]
    assert [text.get_text() for text in levels[1].texts] == ['0: 1.00']
    assert boxes_of(levels[1])[-1] == (132, 100, 172, 140)
    (key,) = figure.legends
    assert [text.get_text() for text in key.get_texts()] == [
        "object's best prior",
        'its best prior, not above 0.5',
        'its other priors, threshold 0.5',
        'object with an ignore flag',
        '3: 0.71  object 3, its highest IoU on the level',
    ]


def test_a_chosen_object_has_a_panel_with_all_its_priors_and_ious(matched):
    priors, image, matches = matched
    figure = match_figures.draw_objects(priors, image, matches, [0, 2])
    one, none = figure.axes[:2]
    number = int((matches.object == 0).sum())
    assert one.get_title() == f'object 0: RBC, 40x40 (black)\n{number} priors'
    # The object itself, above its best prior, which is equal to it.
    assert boxes_of(one)[-2:] == [(132, 100, 172, 140)] * 2 and len(boxes_of(one)) == number + 1
    assert one.get_legend().get_texts()[0].get_text() == 'IoU 1.00: level 1, cell 7,9, 40x40'
    assert none.get_title() == 'object 2: WBC, 0x10 (black)\nno prior: it overlaps none'


def test_a_long_legend_is_cut(matched, monkeypatch):
    monkeypatch.setattr(match_figures, 'MOST_LISTED', 2)
    priors, image, matches = matched
    number = int((matches.object == 0).sum())
    texts = match_figures.draw_objects(priors, image, matches, [0]).axes[0].get_legend().get_texts()
    assert [text.get_text() for text in texts][2:] == [f'and {number - 2} more'] and number > 2


def test_objects_are_dotted_beside_the_priors_of_a_cell(matched):
    priors, image, _ = matched
    axis = prior_figures.draw_priors(priors, image, [3], [[(0, 0)]]).axes[0]
    dotted = [patch for patch in axis.patches if patch.get_linestyle() == ':']
    assert [patch.get_xy() for patch in dotted] == [tuple(box[:2]) for box in image.objects.boxes.tolist()]


@pytest.mark.parametrize('chosen, message', [((4,), '--match 4: the image has objects 0 to 3'), ((-1,), '--match -1')])
def test_objects_that_the_image_lacks_are_errors(matched, chosen, message):
    with pytest.raises(UserError, match=message):
        match_figures.check_objects(matched[1].objects, chosen)


def test_an_image_without_objects_is_an_error():
    empty = ImageObjects(torch.zeros(0, 4), torch.zeros(0).long(), torch.zeros(0).bool(), [])
    for objects in (None, empty):
        with pytest.raises(UserError, match='--match needs an image with objects'):
            match_figures.check_objects(objects, ())
