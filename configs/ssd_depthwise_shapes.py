# The depthwise detector on drawn shapes (tools/draw_shapes.py), in minutes on a CPU: what tools/demo.sh trains. The recipe is
# that of ssd_depthwise_bccd.py; evaluated with both VOC's and COCO's metric.
_base_ = './ssd_depthwise_bccd.py'

data_root = 'data/shapes/'
classes = ('circle', 'square', 'triangle', 'star')
metainfo = dict(classes=classes, palette=[(230, 25, 75), (60, 180, 75), (0, 130, 200), (255, 225, 25)])
model = dict(
    bbox_head=dict(
        num_classes=len(classes),
        # In pixels at 320x240: sides from 19 to 144, evenly in their logarithm.
        prior_generator=dict(sizes=[(20, 32), (45, 64), (84, 110), (130, 160)]),
    )
)

# The test images are drawn like the training images, of which there are plenty: flips are all the augmentation that pays.
_base_.train_pipeline[2].update(
    zoom_out_prob=0.0, constraints=(None,), brightness=0.0, contrast=(1.0, 1.0), saturation=(1.0, 1.0), hue=0.0
)
voc = dict(data_root=data_root, metainfo=metainfo)
train_dataloader = dict(
    batch_size=16, dataset=dict(ann_file='ImageSets/Main/train.txt', pipeline=_base_.train_pipeline, **voc)
)
val_dataloader = dict(dataset=dict(ann_file='ImageSets/Main/test.txt', **voc))
val_evaluator = dict(eval_mode='area')
# The same images from the COCO annotation, which both metrics can read.
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

max_iters = 1000
train_cfg = dict(max_iters=max_iters, val_interval=max_iters // 2)
_base_.param_scheduler[1].update(end=max_iters)
default_hooks = dict(checkpoint=dict(interval=max_iters // 2), logger=dict(interval=50))
randomness = dict(seed=0)
