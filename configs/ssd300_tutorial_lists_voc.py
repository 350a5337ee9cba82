# As ssd300_tutorial_voc.py, on the lists that the tutorial's create_data_lists.py writes: TRAIN_images.json, TRAIN_objects.json,
# TEST_images.json, TEST_objects.json and label_map.json in data_root. Image files that they name by a relative path lie below
# data_prefix.img of each data set.
_base_ = './ssd300_tutorial_voc.py'
data_root = 'data/tutorial/'
lists = dict(_delete_=True, type='JsonListsDataset', data_root=data_root)
train_dataloader = dict(
    dataset=dict(
        ann_file='TRAIN_images.json', filter_cfg=dict(filter_empty_gt=True), pipeline=_base_.train_pipeline, **lists
    )
)
val_dataloader = dict(dataset=dict(ann_file='TEST_images.json', test_mode=True, pipeline=_base_.test_pipeline, **lists))
test_dataloader = val_dataloader
