# The same as ssd300_tutorial_voc.py, on the lists that the tutorial's create_data_lists.py or
# tools/prepare_data.py lists VOC2007 VOC2012 --out data/tutorial writes: TRAIN_images.json, TRAIN_objects.json,
# TEST_images.json, TEST_objects.json and label_map.json, which names the classes: for other classes than VOC's, set
# model.bbox_head.num_classes. Relative image paths in the lists lie below data_prefix.img of each dataset.
_base_ = './ssd300_tutorial_voc.py'
data_root = 'data/tutorial/'
__lists = dict(_delete_=True, type='JsonListsDataset', data_root=data_root)
train_dataloader = dict(
    dataset=dict(
        ann_file='TRAIN_images.json',
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=_base_.train_pipeline,
        augment=_base_.train_dataloader.dataset.augment,
        **__lists,
    )
)
val_dataloader = dict(
    dataset=dict(ann_file='TEST_images.json', test_mode=True, pipeline=_base_.test_pipeline, **__lists)
)
test_dataloader = val_dataloader
