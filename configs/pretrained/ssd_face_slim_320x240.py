# The slim model of the ultra-light face detector (github.com/Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB, MIT
# license): the depthwise detector with square priors, on WIDER FACE. Its weights, version-slim-320.pth, load after
# tools/convert_checkpoint.py.
_base_ = [
    '../_base_/models/ssd_depthwise.py',
    '../_base_/pipelines/ssd320x240.py',
    '../_base_/datasets/wider_face.py',
    '../_base_/schedules/ssd_voc.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=1e-2))
model = dict(
    # The extra level has no batch norm.
    neck=dict(norm_cfg=None),
    bbox_head=dict(
        num_classes=1,
        background='first',
        matcher=dict(iou_threshold=0.35, ignored='match'),
        prior_generator=dict(
            scale_range=None,
            first_scale=None,
            aspect_ratios=None,
            sizes=[(10, 16, 24), (32, 48), (64, 96), (128, 192, 256)],
            clip='centers',
        ),
        bbox_coder=dict(clip_border=False),
    ),
    # The thresholds of the original. For precision over all recall levels: --cfg-options model.test_cfg.score_thr=0.01
    test_cfg=dict(score_thr=0.6, nms_pre=1500, nms=dict(iou_threshold=0.3), max_per_img=-1),
)
