# SSD300 on VOC2007+2012 with many-to-many matching: every pair of prior and object with an IoU above 0.5 counts, so that a prior may
# serve several objects; L = (L_loc + L_conf + L_no-match) / N over N pairs, and the hard negatives are those with the highest
# confidence in any class, three for each pair. The original matches each object to its best prior too, each prior to one object,
# and mines by the loss of the background.
_base_ = './ssd300_voc.py'
model = dict(
    bbox_head=dict(
        matcher=dict(_delete_=True, type='ManyToManyMatcher', iou_threshold=0.5, ignored='match'),
        loss_multibox=dict(_delete_=True, type='ManyToManyLoss', neg_pos_ratio=3)))
