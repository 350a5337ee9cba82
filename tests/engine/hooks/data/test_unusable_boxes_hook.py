import logging
from types import SimpleNamespace

import pytest
from mmdet.registry import DATASETS, HOOKS

from ssd_plugin.errors import UserError


class Boxes:
    """A dataset with given boxes, one image each."""

    def __init__(self, *boxes):
        self.boxes = boxes

    def __len__(self):
        return len(self.boxes)

    def get_data_info(self, index):
        return dict(img_path=f'{index}.jpg', instances=[dict(bbox=self.boxes[index])])


def report(dataset, caplog, **options):
    logger = logging.getLogger('hook')
    logger.propagate = True
    with caplog.at_level(logging.INFO, 'hook'):
        hook = HOOKS.build(dict(type='UnusableBoxesHook', **{**dict(max_share=1.0), **options}))
        hook.before_train(SimpleNamespace(train_dataloader=SimpleNamespace(dataset=dataset), logger=logger))
    return caplog.text


def test_boxes_without_area_are_counted_and_their_images_named(caplog):
    text = report(Boxes([0, 0, 5, 5], [3, 3, 3, 9], [0, 0, float('nan'), 5], [5, 5, 1, 1]), caplog)
    assert '3 ground-truth box(es) in 3 image(s)' in text and '1.jpg, 2.jpg, 3.jpg' in text and '0.jpg' not in text


def test_more_bad_boxes_than_allowed_are_an_error(caplog):
    boxes = [[0, 0, 5, 5]] * 19 + [[3, 3, 3, 9]]
    assert '1 ground-truth box(es)' in report(Boxes(*boxes), caplog, max_share=0.05)
    with pytest.raises(UserError, match=r'5.3%.*max_share.*no area \(1\)'):
        report(Boxes(*boxes[1:]), caplog, max_share=0.05)


def test_usable_boxes_are_not_reported(caplog):
    assert not report(Boxes([0, 0, 5, 5], [1, 1, 2, 2]), caplog)


@pytest.mark.parametrize(
    'wrap',
    [
        lambda inner: SimpleNamespace(dataset=inner),
        lambda inner: SimpleNamespace(datasets=[Boxes([0, 0, 1, 1]), SimpleNamespace(dataset=inner)]),
    ],
)
def test_datasets_inside_wrappers_are_looked_at(wrap, caplog):
    assert '1 ground-truth box(es)' in report(wrap(Boxes([3, 3, 3, 9])), caplog)


def test_real_datasets_are_read(shapes, caplog):
    path = next((shapes / 'Annotations').iterdir())
    original = path.read_text()
    try:
        path.write_text(
            original.replace(
                '</annotation>',
                '<object><name>circle</name><bndbox><xmin>5</xmin><ymin>5</ymin>'
                '<xmax>5</xmax><ymax>9</ymax></bndbox></object></annotation>',
            )
        )
        names = (shapes / 'ImageSets/Main/train.txt').read_text().split()
        dataset = DATASETS.build(
            dict(
                type='VOCDataset',
                data_root=str(shapes),
                metainfo=dict(classes=('circle',)),
                ann_file=f'ImageSets/Main/{"train" if path.stem in names else "test"}.txt',
                data_prefix=dict(sub_data_root=''),
            )
        )
        assert f'{path.stem}.jpg' in report(dataset, caplog)
    finally:
        path.write_text(original)
