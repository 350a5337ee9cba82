# WIDER FACE in VOC's format, in the layout that MMDetection's WIDERFaceDataset documents
# (github.com/sovrasov/wider-face-pascal-voc-annotations): train.txt, val.txt, WIDER_train/ and WIDER_val/, each with the images'
# folders and Annotations/. A config that uses it sets the pipelines, which depend on the input size.
_base_ = './loaders.py'
data_root = 'data/WIDERFace/'
train_dataloader = dict(
    dataset=dict(
        type='CheckedWIDERFaceDataset',
        data_root=data_root,
        ann_file='train.txt',
        data_prefix=dict(img='WIDER_train/'),
        filter_cfg=dict(filter_empty_gt=True),
    )
)
val_dataloader = dict(
    dataset=dict(
        type='CheckedWIDERFaceDataset',
        data_root=data_root,
        ann_file='val.txt',
        data_prefix=dict(img='WIDER_val/'),
        test_mode=True,
    )
)
test_dataloader = val_dataloader
# AP at IoU 0.5 over all faces; WIDER FACE's own easy, medium and hard subsets are not told apart.
val_evaluator = dict(type='VOCMetric', metric='mAP', eval_mode='11points')
test_evaluator = val_evaluator
