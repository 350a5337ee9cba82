# The depthwise detector on drawn shapes (tools/draw_shapes.py), trained in minutes on a CPU by tools/demo.sh. The
# recipe is that of bccd/ssd_depthwise_bccd.py; the evaluation uses the metrics of both VOC and COCO.
_base_ = '../bccd/ssd_depthwise_bccd.py'

data_root = 'data/shapes/'
metainfo = dict(
    classes=('circle', 'square', 'triangle', 'star'),
    palette=[(230, 25, 75), (60, 180, 75), (0, 130, 200), (255, 225, 25)],
)
model = dict(
    bbox_head=dict(
        num_classes=4,
        # In pixels at 320x240: sides from 19 to 144, evenly distributed in their logarithm.
        prior_generator=dict(sizes=[(20, 32), (45, 64), (84, 110), (130, 160)]),
    )
)

__voc = dict(data_root=data_root, metainfo=metainfo)
train_dataloader = dict(
    batch_size=16,
    dataset=dict(
        ann_file='ImageSets/Main/train.txt',
        # Training images are plentiful and drawn like the test images: only flips help.
        augment=dict(
            zoom_out_prob=0.0, constraints=(None,), brightness=0.0, contrast=(1.0, 1.0), saturation=(1.0, 1.0), hue=0.0
        ),
        **__voc,
    ),
)
val_dataloader = dict(dataset=dict(ann_file='ImageSets/Main/test.txt', **__voc))
val_evaluator = dict(eval_mode='area')
# The same images with their COCO annotation, which both metrics can read.
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='CocoDataset',
        data_root=data_root,
        metainfo=metainfo,
        ann_file='instances_test.json',
        data_prefix=dict(img='JPEGImages/'),
        test_mode=True,
        pipeline=_base_.test_pipeline,
    )
)
test_evaluator = [
    dict(type='VOCMetric', metric='mAP', eval_mode='area'),
    dict(type='CocoMetric', ann_file=data_root + 'instances_test.json', metric='bbox'),
]

train_cfg = dict(max_iters=1000, val_interval=500)
__warmup, __cosine = _base_.param_scheduler
param_scheduler = [__warmup, dict(__cosine, end=1000)]
default_hooks = dict(checkpoint=dict(interval=500), logger=dict(interval=50))
randomness = dict(seed=0)
