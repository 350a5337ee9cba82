custom_imports = dict(imports=['ssd_plugin'], allow_failed_imports=False)
# The components are registered in MMDetection's registries.
default_scope = 'mmdet'

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    # Training counts iterations, so metrics are logged over iterations too.
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='WholeCheckpointHook', by_epoch=False, interval=5000, max_keep_ckpts=3, save_best='auto'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='DrawingHook'),
)
custom_hooks = [
    dict(type='NumClassCheckHook'),
    dict(type='UnusableBoxesHook'),
    dict(type='SkippedImagesHook'),
    dict(type='FiniteStepsHook'),
    dict(type='PreemptionHook'),
    dict(type='ImageCheckHook'),
]
# A rank that has waited 600 s for another ends with an error; evaluating COCO on one rank takes less.
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl', timeout=600),
)
visualizer = dict(type='DetLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer')
log_processor = dict(type='ExactLogProcessor', window_size=50, by_epoch=False)
log_level = 'INFO'
load_from = None
resume = False
