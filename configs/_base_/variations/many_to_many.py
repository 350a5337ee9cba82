# Many-to-many matching, for a config's model.bbox_head: every pair of prior and object with an IoU above 0.5 is
# positive, so a prior may serve several objects. The hard negatives are the priors with the highest confidence in any
# class, three per pair. The original also matches each object to its best prior, assigns each prior to one object, and
# mines by the loss of the background.
many_to_many = dict(
    # The loss as the text on it has it: the plain sum of L_loc + L_conf + L_no-match, where L_no-match of a hard
    # negative is log(1 + c_max / sum(c)) of its class scores c; offsets without variances.
    text=dict(
        matcher=dict(type='ManyToManyMatcher', iou_threshold=0.5),
        loss_multibox=dict(type='ManyToManyLoss', neg_pos_ratio=3, no_match='best_class', reduction='sum'),
        bbox_coder=dict(center_variance=1.0, size_variance=1.0),
    ),
    # The usual variant, with the loss of SSD: L_no-match is the cross-entropy with the background, the sum is divided
    # by the number of pairs, and offsets have SSD's variances.
    normalized=dict(
        matcher=dict(type='ManyToManyMatcher', iou_threshold=0.5),
        loss_multibox=dict(type='ManyToManyLoss', neg_pos_ratio=3),
    ),
)
