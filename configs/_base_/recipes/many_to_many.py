# Many-to-many matching: every pair of prior and object with an IoU above 0.5 counts, so that a prior may serve several objects; L =
# (L_loc + L_conf + L_no-match) / N over N pairs, and the hard negatives are those with the highest confidence in any class, three
# for each pair. The original matches each object to its best prior too, each prior to one object, and mines by the loss of the
# background. For a config's model.bbox_head.
many_to_many = dict(
    matcher=dict(type='ManyToManyMatcher', iou_threshold=0.5),
    loss_multibox=dict(type='ManyToManyLoss', neg_pos_ratio=3),
)
