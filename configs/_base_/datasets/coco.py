# COCO 2017, in the layout that tools/prepare_data.py makes. The detector's config sets the pipelines, which depend on
# the input size.
_base_ = './loaders.py'
data_root = 'data/coco/'
train_dataloader = dict(
    dataset=dict(
        type='SharedCocoDataset',
        data_root=data_root,
        ann_file='annotations/instances_train2017.json',
        data_prefix=dict(img='train2017/'),
        filter_cfg=dict(filter_empty_gt=True),
    )
)
val_dataloader = dict(
    dataset=dict(
        type='SharedCocoDataset',
        data_root=data_root,
        ann_file='annotations/instances_val2017.json',
        data_prefix=dict(img='val2017/'),
        test_mode=True,
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(type='CocoMetric', ann_file=data_root + 'annotations/instances_val2017.json', metric='bbox')
test_evaluator = val_evaluator
