"""VOC's XML in the layouts of several tools, and of sets on the web."""

from pathlib import Path
from xml.sax.saxutils import escape

from tests.sample_folders.samples import SAMPLES, Sample, write_image, write_text


def xml_text(sample: Sample, first_pixel: int = 1, size: tuple[int, int] | None = None, scale: int = 1) -> str:
    """Return the annotation of a sample.

    Args:
        sample: The sample.
        first_pixel: Coordinate of the first pixel.
        size: (width, height) to write instead of that of the image.
        scale: Factor of the image that was annotated.
    """
    width, height = size or (sample.size[0] * scale, sample.size[1] * scale)
    # Other tools order the tags otherwise.
    objects = ''.join(
        f'<object><bndbox><xmin>{x1 * scale + first_pixel}</xmin><xmax>{x2 * scale + first_pixel}</xmax>'
        f'<ymin>{y1 * scale + first_pixel}</ymin><ymax>{y2 * scale + first_pixel}</ymax></bndbox>'
        f'<difficult>0</difficult><name>{escape(name)}</name></object>\n'
        for name, (x1, y1, x2, y2) in sample.boxes
    )
    return (
        f'<annotation>\n<filename>{sample.name}</filename><path>C:\\me\\{sample.name}.png</path>'
        f'<size><width>{width}</width><height>{height}</height><depth></depth></size>\n{objects}</annotation>\n'
    )


def write(root: Path, annotations: str, images: str, suffix: str = '.jpg', first_pixel: int = 1) -> None:
    """Write all samples; ``{split}`` in a folder is replaced."""
    for sample in SAMPLES:
        write_image(root / images.format(split=sample.split) / f'{sample.name}{suffix}', sample)
        path = root / annotations.format(split=sample.split) / f'{sample.name}.xml'
        write_text(path, xml_text(sample, first_pixel))


def listed(root: Path, lists: dict[str, str], line: str = '{name}') -> None:
    """Write lists of the splits, by path."""
    for path, split in lists.items():
        names = [sample.name for sample in SAMPLES if split in (sample.split, 'all')]
        write_text(root / path, ''.join(f'{line.format(name=name)}\n' for name in names))


def own(root: Path) -> None:
    """VOC's own folders and lists, and masks with the stems of the images."""
    write(root, 'Annotations', 'JPEGImages', '.JPG')
    listed(root, {'ImageSets/Main/train.txt': 'train', 'ImageSets/Main/val.txt': 'val'})
    listed(root, {'ImageSets/Main/cat_train.txt': 'train'}, '{name} -1')
    for sample in SAMPLES:
        write_image(root / f'SegmentationObject/{sample.name}.png', sample)


def beside(root: Path) -> None:
    """Images and XML in one folder."""
    write(root, '', '')


def annots(root: Path) -> None:
    """``images`` and ``annots``, masks beside them."""
    write(root, 'annots', 'images', '.png')
    for sample in SAMPLES:
        write_image(root / f'masks/{sample.name}.jpg', sample)


def annotations(root: Path) -> None:
    """``images`` and ``annotations``, in a folder of their own."""
    write(root, 'data/annotations', 'data/images', '.jpeg')


def split_folders(root: Path) -> None:
    """Roboflow's folders: one for each split, with XML beside the images."""
    for sample in SAMPLES:
        folder = root / {'train': 'train', 'val': 'valid'}[sample.split]
        write_image(folder / f'{sample.name}.jpg', sample)
        write_text(folder / f'{sample.name}.xml', xml_text(sample))


def nested_folders(root: Path) -> None:
    """A folder for each split in the folders of images and of XML."""
    write(root, 'labels/{split}', 'images/{split}')


def image_folders(root: Path) -> None:
    """A folder of images for each split, and all XML in one."""
    write(root, 'xml', '{split}')


def cvat(root: Path) -> None:
    """A list ``default.txt``, floats from 0, and ``labelmap.txt``."""
    write(root, 'Annotations', 'JPEGImages', '.PNG', first_pixel=0)
    listed(root, {'ImageSets/Main/default.txt': 'all'})
    write_text(root / 'labelmap.txt', '# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:1,2,3::\n')


LAYOUTS = (own, beside, annots, annotations, split_folders, nested_folders, image_folders, cvat)
