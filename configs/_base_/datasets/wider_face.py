# WIDER FACE in VOC format, in the layout that MMDetection's WIDERFaceDataset documents
# (github.com/sovrasov/wider-face-pascal-voc-annotations): train.txt, val.txt, and WIDER_train/ and WIDER_val/, each
# with the image folders and Annotations/. The detector's config sets the pipelines, which depend on the input size.
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
# AP at IoU 0.5 over all faces, without WIDER FACE's division into easy, medium and hard subsets.
val_evaluator = dict(type='VOCMetric', metric='mAP', eval_mode='11points')
test_evaluator = val_evaluator
