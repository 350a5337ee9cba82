# The depthwise detector on BCCD (364 photographs of blood cells in VOC layout), from scratch on a CPU: the example for
# a dataset of your own, with priors and augmentation chosen by hand. tools/new_config.py writes such a config.
_base_ = '../_base_/own_data/ssd_depthwise.py'

data_root = 'data/bccd/'
metainfo = dict(classes=('RBC', 'WBC', 'Platelets'), palette=[(230, 25, 75), (0, 130, 200), (255, 225, 25)])
model = dict(
    bbox_head=dict(
        num_classes=3,
        prior_generator=dict(
            # In pixels at 320x240: platelets measure 14 to 36, red cells 37 to 65, white cells 52 to 137.
            sizes=[(18, 28), (40, 60), (80, 110), (110, 150)],
            aspect_ratios=[[1.5], [1.5], [1.5], [1.5]],
        ),
    )
)

__dataset = dict(type='CheckedVOCDataset', data_root=data_root, metainfo=metainfo, data_prefix=dict(sub_data_root=''))
train_dataloader = dict(
    dataset=dict(
        ann_file='ImageSets/Main/trainval.txt',
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=_base_.train_pipeline,
        # Less zoom and larger patches than for photographs of everyday objects: cells vary little in size.
        augment=dict(
            zoom_out_prob=0.3,
            zoom_out_ratio=(1, 1.5),
            constraints=(0.0,),
            crop_scale=(0.5, 1.0),
            # Cells have no upright orientation.
            flip_prob=[0.25, 0.25, 0.25],
            flip_direction=['horizontal', 'vertical', 'diagonal'],
        ),
        **__dataset,
    ),
)
val_dataloader = dict(
    dataset=dict(ann_file='ImageSets/Main/test.txt', test_mode=True, pipeline=_base_.test_pipeline, **__dataset)
)
test_dataloader = val_dataloader
