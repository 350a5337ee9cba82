# SSD300 on VGG-16, from ImageNet's weights, with the priors of VOC until others are given.
_base_ = ['../models/ssd300.py', '../pipelines/ssd300.py', './recipe.py', './fine_tuned.py']
model = dict(
    bbox_head=dict(
        matcher=dict(ignored='match'),
        prior_generator=dict(sizes=[(30, 60), (60, 111), (111, 162), (162, 213), (213, 264), (264, 315)]),
    )
)
