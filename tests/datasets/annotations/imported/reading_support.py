"""Reading a folder in the format that it is recognized in."""

from ssd_plugin.datasets.annotations import imported


def read_folder(folder, **options):
    """Read a folder in the only format that is recognized."""
    found = imported.recognized(folder)
    assert len(found) == 1, [known.name for known in found]
    ((known, files),) = found.items()
    return imported.read(known, folder, files, **options)


def only_boxes(labeled):
    """Return (name, corners rounded to 1e-9, shape) of the boxes of the only image."""
    (image,) = labeled.images
    return [(box.name, tuple(round(value, 9) for value in box.corners), box.shape) for box in image.boxes]


def kinds(labeled):
    """Return the number of images and boxes left out by kind of issue."""
    found = {}
    for issue in labeled.issues:
        images, boxes = found.get(issue.kind, (0, 0))
        found[issue.kind] = images + issue.images, boxes + issue.boxes
    return found
