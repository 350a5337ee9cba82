# Many-to-many matching, for a config's model.bbox_head: every pair of prior and object with an IoU above 0.5 is
# positive, so a prior may serve several objects; L = (L_loc + L_conf + L_no-match) / N over N pairs. The hard negatives
# are the priors with the highest confidence in any class, three per pair. The original also matches each object to its
# best prior, assigns each prior to one object, and mines by the loss of the background.
many_to_many = dict(
    matcher=dict(type='ManyToManyMatcher', iou_threshold=0.5),
    loss_multibox=dict(type='ManyToManyLoss', neg_pos_ratio=3),
)
