# PASCAL VOC: train on VOC2007+2012 trainval, evaluate on VOC2007 test, in the layout that tools/prepare_data.py makes.
# The detector's config sets the pipelines, which depend on the input size.
_base_ = './loaders.py'
data_root = 'data/VOCdevkit/'
__classes = (
    'aeroplane',
    'bicycle',
    'bird',
    'boat',
    'bottle',
    'bus',
    'car',
    'cat',
    'chair',
    'cow',
    'diningtable',
    'dog',
    'horse',
    'motorbike',
    'person',
    'pottedplant',
    'sheep',
    'sofa',
    'train',
    'tvmonitor',
)
train_dataloader = dict(
    dataset=dict(
        type='AugmentedConcatDataset',
        # MMDetection records a dataset_type, in which the two years differ.
        ignore_keys=['dataset_type'],
        datasets=[
            dict(
                type='CheckedVOCDataset',
                data_root=data_root,
                metainfo=dict(classes=__classes),
                ann_file=f'VOC{year}/ImageSets/Main/trainval.txt',
                data_prefix=dict(sub_data_root=f'VOC{year}/'),
                filter_cfg=dict(filter_empty_gt=True),
            )
            for year in (2007, 2012)
        ],
    )
)
val_dataloader = dict(
    dataset=dict(
        type='CheckedVOCDataset',
        data_root=data_root,
        metainfo=dict(classes=__classes),
        ann_file='VOC2007/ImageSets/Main/test.txt',
        data_prefix=dict(sub_data_root='VOC2007/'),
        test_mode=True,
    )
)
test_dataloader = val_dataloader
# The metric of VOC2007: AP at IoU 0.5 over 11 recall levels. Objects marked difficult count neither as hits nor as
# misses.
val_evaluator = dict(type='VOCMetric', metric='mAP', eval_mode='11points')
test_evaluator = val_evaluator
