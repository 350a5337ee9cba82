# How batches are loaded, whatever the data set. A worker makes 500 images and more a second (docs/data.md), so 8 of them feed a GPU
# with thousands; a node with 8 GPUs runs 64. Images reach the GPU as uint8, from pinned memory, a batch at a time, and are
# normalised there.
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
