# As fused_bccd.py, with MMDetection's own steps.
_base_ = ['./fused_bccd.py', '../_base_/pipelines/stock.py']
train_pipeline = [*_base_.stock_pipeline]
train_pipeline[2] = dict(train_pipeline[2], mean=[127.] * 3)
train_pipeline[4] = dict(train_pipeline[4], scale=(320, 240))
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
