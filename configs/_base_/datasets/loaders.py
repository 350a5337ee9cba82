# How batches are loaded, whatever the dataset. One worker prepares 500 images a second or more (docs/data.md), so 8
# workers feed a GPU with thousands; a node with 8 GPUs runs 64 workers. Images are sent to the GPU as uint8, one batch
# at a time from pinned memory, and are normalized there.
train_dataloader = dict(
    batch_size=32,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    collate_fn=dict(type='stack_collate'),
    worker_init_fn=dict(type='patient_worker'),
    sampler=dict(type='StreamSampler', shuffle=True),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    worker_init_fn=dict(type='patient_worker'),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
test_dataloader = val_dataloader
