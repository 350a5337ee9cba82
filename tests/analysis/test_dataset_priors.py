from ssd_plugin.analysis.dataset_priors import compare_with_priors
from ssd_plugin.datasets.annotations.records import AnnotatedBox, AnnotatedImage

# One level of 2x2 cells of 16 pixels, with squares of 16 and sqrt(16 * 36) = 24 pixels.
CONFIG = """
test_dataloader = dict(dataset=dict(pipeline=[dict(type='Resize', scale=(32, 32))]))
model = dict(bbox_head=dict(prior_generator=dict(
    type='SSDAnchorGenerator', strides=[16], ratios=[[]], min_sizes=[16], max_sizes=[36], scale_major=False)))
"""


def test_objects_are_compared_with_the_priors_of_mmdetections_generator(tmp_path):
    (tmp_path / 'config.py').write_text(CONFIG)
    # At 32x32: exactly a prior of the first cell, and a box of a quarter of it.
    boxes = [AnnotatedBox('a', box, '', print, print, print) for box in ((0, 0, 32, 32), (0, 0, 16, 16))]
    image = AnnotatedImage(None, '', (64, 64), boxes, set(), print, print)
    figure = tmp_path / 'figure.png'
    sentence = compare_with_priors(str(tmp_path / 'config.py'), [image], 'title', figure)
    assert sentence.startswith('50.0% of 2 objects have no prior') and figure.is_file()


def test_the_tool_that_tunes_priors_is_named_where_more_than_one_object_in_twenty_is_missed(tmp_path):
    (tmp_path / 'config.py').write_text(CONFIG)
    for reached, hint in ((19, False), (18, True)):
        corners = [(0, 0, 32, 32)] * reached + [(0, 0, 16, 16)]
        boxes = [AnnotatedBox('a', box, '', print, print, print) for box in corners]
        image = AnnotatedImage(None, '', (64, 64), boxes, set(), print, print)
        sentence = compare_with_priors(str(tmp_path / 'config.py'), [image], 'title', tmp_path / 'figure.png')
        assert ('\ntools/tune_priors.py fits' in sentence) == hint
