# SSD512 on VGG-16, from ImageNet's weights, with the priors of VOC until others are given.
_base_ = ['../models/ssd512.py', '../pipelines/ssd512.py', './recipe.py', './fine_tuned.py']
model = dict(
    bbox_head=dict(
        matcher=dict(ignored='match'),
        prior_generator=dict(sizes=[(35, 76), (76, 153), (153, 230), (230, 307), (307, 384), (384, 460), (460, 537)]),
    )
)
