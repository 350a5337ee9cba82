"""createML: one JSON file with a list of images, whose boxes have a center and a size in pixels.

https://developer.apple.com/documentation/createml/building-an-object-detector-data-source. Roboflow and labelImg write
it as well.
"""

from pathlib import Path
from typing import Any

from ssd_plugin.datasets.annotations.labeled_set import LabeledSet
from ssd_plugin.errors import first_line

from .annotation_files import files_with_suffix, load_json
from .json_outline import ITEM, has_keys
from .reading import DrawnBox, DrawnImage, Reading, class_name, number
from .split_names import split_of_path

FORMAT = 'createML'
# Apple's names of newer and older versions.
IMAGE_KEYS = ('image', 'imagefilename')
BOX_KEYS = ('annotations', 'annotation')
SIDES = ('x', 'y', 'width', 'height')


def recognize(folder: Path) -> list[Path]:
    """Return the JSON files of a folder that are lists of objects with an image and annotations."""
    return [path for path in files_with_suffix(folder, '.json') if _is_createml(path)]


def _is_createml(path: Path) -> bool:
    return any(
        has_keys(path, (ITEM, image), (ITEM, boxes)) and not has_keys(path, (ITEM, 'data'))
        for image in IMAGE_KEYS
        for boxes in BOX_KEYS
    )


def read(root: Path, files: list[Path], images: Path | None = None) -> LabeledSet:
    """Read the images of JSON files.

    Args:
        root: Folder of the dataset.
        files: The JSON files.
        images: Folder of the images, ``None`` to find them in the dataset.

    Raises:
        UserError: A file cannot be read, or no image can be used.
    """
    reading = Reading(FORMAT, root, images)
    for file in files:
        split = split_of_path(file, reading.root)
        for index, entry in enumerate(load_json(file)):
            _read_image(reading, file, f'{file}: [{index}]', entry, split)
    return reading.labeled_set()


def _read_image(reading: Reading, file: Path, where: str, entry: Any, split: str | None) -> None:
    fields = entry if isinstance(entry, dict) else {}
    name = next((fields[key] for key in IMAGE_KEYS if isinstance(fields.get(key), str)), None)
    annotations = next((fields[key] for key in BOX_KEYS if isinstance(fields.get(key), list)), None)
    if name is None or annotations is None:
        reading.leave_out('incomplete object', where, 'it has no image or no annotations', images=1)
        return
    drawn = reading.add(DrawnImage([name], file, f'{where} ({name})', split=split))
    for index, annotation in enumerate(annotations):
        place = f'{drawn.where} annotations[{index}]'
        try:
            x, y, width, height = (number(annotation['coordinates'][side]) for side in SIDES)
            corners = x - width / 2, y - height / 2, x + width / 2, y + height / 2
            drawn.boxes.append(DrawnBox(class_name(annotation['label']), corners, place))
        except (KeyError, TypeError, ValueError) as error:
            text = f'it lacks {error}' if isinstance(error, KeyError) else first_line(error)
            reading.leave_out('incomplete object', place, text, boxes=1)
