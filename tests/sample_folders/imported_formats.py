"""Folders as labeling tools write them, from a neutral list of images with boxes: the formats that are imported."""

import csv
import json
import shutil
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import cv2
import numpy as np


@dataclass(frozen=True)
class Sample:
    """An image: file name, (width, height), boxes (class, x1, y1, x2, y2) in pixels, split, and a file to copy."""

    name: str
    size: tuple[int, int] = (80, 60)
    boxes: tuple[tuple, ...] = ()
    split: str = 'train'
    source: Path | None = None

    @property
    def stem(self):
        return Path(self.name).stem

    def place(self, folder):
        """Write the image into a folder: a copy, or noise."""
        path = folder / self.name
        if self.source is None:
            return draw(path, self.size, sum(map(ord, self.name)))
        path.parent.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(self.source, path))


SAMPLES = (
    Sample('one.jpg', (80, 60), (('cat', 10, 20, 30, 50), ('dog', 0, 0, 80, 60))),
    Sample('two words.JPG', (64, 48), (('cat', 1, 2, 3, 4),)),
    Sample('three.v2.png', (40, 50), (('wild dog', 5, 6, 39, 49), ('cat', 5, 6, 39, 49)), 'test'),
    Sample('äö.jpeg', (33, 21), (('Käse', 2, 3, 31, 20),), 'test'),
    Sample('empty.jpg', (50, 50)),
)
# Coordinates that are exact in two decimals.
QUARTERS = tuple(
    Sample(s.name, s.size, tuple((n, a + 0.25, b + 0.5, c - 0.25, d - 0.5) for n, a, b, c, d in s.boxes), s.split)
    for s in SAMPLES
)


def draw(path, size=(80, 60), seed=0):
    """Write an image of noise; its format is that of the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.RandomState(seed).randint(0, 255, (size[1], size[0], 3), np.uint8)
    # OpenCV does not write names that are not ASCII on every system.
    path.write_bytes(cv2.imencode(path.suffix.lower(), pixels)[1].tobytes())
    return path


def cvat(folder, samples):
    for sample in samples:
        sample.place(folder / 'images')
    images = []
    for number, sample in enumerate(samples):
        boxes = ''.join(
            f'    <box label={quoteattr(name)} source="manual" occluded="0" xtl="{x1:.2f}" ytl="{y1:.2f}" '
            f'xbr="{x2:.2f}" ybr="{y2:.2f}" z_order="0">\n    </box>\n'
            for name, x1, y1, x2, y2 in sample.boxes
        )
        images.append(
            f'  <image id="{number}" name={quoteattr(sample.name)} subset="{sample.split}" task_id="1" '
            f'width="{sample.size[0]}" height="{sample.size[1]}">\n{boxes}  </image>\n'
        )
    write_cvat(folder, ''.join(images), sorted({box[0] for sample in samples for box in sample.boxes}))


def write_cvat(folder, images, labels=()):
    folder.mkdir(parents=True, exist_ok=True)
    named = ''.join(f'<label><name>{escape(name)}</name><type>any</type></label>' for name in labels)
    (folder / 'annotations.xml').write_text(
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n  <meta>\n    <project>\n'
        f'      <id>1</id><labels>{named}</labels>\n    </project>\n  </meta>\n{images}</annotations>\n'
    )


def label_studio_region(kind, value, size, number=0, **fields):
    return dict(
        original_width=size[0],
        original_height=size[1],
        image_rotation=0,
        value=value,
        id=f'r{number}',
        from_name='label',
        to_name='image',
        type=kind,
        origin='manual',
        **fields,
    )


def label_studio_task(name, regions, number=1, **annotation):
    prefix = uuid.UUID(int=number * 0x1234567890ABCDEF1234567890ABCDEF % 2**128).hex[:8]
    return dict(
        id=number,
        annotations=[
            dict(
                id=number,
                completed_by=1,
                result=regions,
                was_cancelled=False,
                ground_truth=False,
                created_at='2026-01-01T00:00:00.000000Z',
                updated_at='2026-01-01T00:00:00.000000Z',
            )
            | annotation
        ],
        file_upload=f'{prefix}-{name}',
        drafts=[],
        predictions=[],
        data=dict(image=f'/data/upload/1/{prefix}-{name}'),
        meta={},
    )


def label_studio(folder, samples):
    tasks = []
    for number, sample in enumerate(samples, 1):
        sample.place(folder / 'photos')
        width, height = sample.size
        regions = [
            label_studio_region(
                'rectanglelabels',
                dict(
                    x=100 * x1 / width,
                    y=100 * y1 / height,
                    width=100 * (x2 - x1) / width,
                    height=100 * (y2 - y1) / height,
                    rotation=0,
                    rectanglelabels=[name],
                ),
                sample.size,
                index,
            )
            for index, (name, x1, y1, x2, y2) in enumerate(sample.boxes)
        ]
        tasks.append(label_studio_task(sample.name.replace(' ', '_'), regions, number))
        if ' ' in sample.name:
            # What an upload makes of a space.
            (folder / 'photos' / sample.name).rename(folder / 'photos' / sample.name.replace(' ', '_'))
    (folder / 'project-1-at-2026-01-01.json').write_text(json.dumps(tasks))


def labelme_shape(label, points, kind='rectangle', **fields):
    return dict(
        label=label, points=points, group_id=None, description='', shape_type=kind, flags={}, mask=None, **fields
    )


def write_labelme(path, image_path, size, shapes, **fields):
    content = dict(
        version='5.5.0',
        flags={},
        shapes=shapes,
        imagePath=image_path,
        imageData=None,
        imageHeight=size and size[1],
        imageWidth=size and size[0],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content | fields, ensure_ascii=False, indent=2))


def labelme(folder, samples):
    for sample in samples:
        sample.place(folder)
        # A rectangle may be drawn from any of its corners.
        shapes = [
            labelme_shape(name, ([[x1, y1], [x2, y2]], [[x2, y1], [x1, y2]])[index % 2])
            for index, (name, x1, y1, x2, y2) in enumerate(sample.boxes)
        ]
        write_labelme(folder / f'{sample.stem}.json', sample.name, sample.size, shapes)


def createml(folder, samples):
    for split in sorted({sample.split for sample in samples}):
        entries = []
        for sample in samples:
            if sample.split == split:
                sample.place(folder / split)
                annotations = [
                    dict(
                        label=name,
                        coordinates=dict(x=(x1 + x2) / 2, y=(y1 + y2) / 2, width=x2 - x1, height=y2 - y1),
                    )
                    for name, x1, y1, x2, y2 in sample.boxes
                ]
                entries.append(dict(image=sample.name, annotations=annotations))
        (folder / split / '_annotations.createml.json').write_text(json.dumps(entries))


def write_csv(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, 'w', newline='', encoding='utf-8') as file:
        csv.writer(file, lineterminator='\n').writerows(rows)


def tensorflow_csv(folder, samples):
    for split in sorted({sample.split for sample in samples}):
        rows = [('filename', 'width', 'height', 'class', 'xmin', 'ymin', 'xmax', 'ymax')]
        for sample in samples:
            if sample.split == split:
                sample.place(folder / 'images' / split)
                rows += [(sample.name, *sample.size, *box) for box in sample.boxes]
        write_csv(folder / 'images' / f'{split}_labels.csv', rows)


def retinanet_csv(folder, samples):
    rows = []
    for sample in samples:
        sample.place(folder / 'images')
        boxes = [(*corners, name) for name, *corners in sample.boxes] or [('',) * 5]
        rows += [(f'images/{sample.name}', *box) for box in boxes]
    write_csv(folder / 'annotations.csv', rows)
    names = sorted({box[0] for sample in samples for box in sample.boxes})
    write_csv(folder / 'classes.csv', [(name, number) for number, name in enumerate(names)])


OPEN_IMAGES = ('ImageID', 'Source', 'LabelName', 'Confidence', 'XMin', 'XMax', 'YMin', 'YMax')
OPEN_IMAGES_FLAGS = ('IsOccluded', 'IsTruncated', 'IsGroupOf', 'IsDepiction', 'IsInside')


def open_images_csv(folder, samples):
    names = sorted({box[0] for sample in samples for box in sample.boxes})
    identifiers = {name: f'/m/0{number}abc' for number, name in enumerate(names)}
    write_csv(folder / 'class-descriptions-boxable.csv', [(number, name) for name, number in identifiers.items()])
    for split, stem in (('train', 'oidv6-train'), ('test', 'test')):
        rows = [OPEN_IMAGES + OPEN_IMAGES_FLAGS]
        for sample in samples:
            if sample.split == split:
                sample.place(folder / split)
                width, height = sample.size
                rows += [
                    (sample.stem, 'xclick', identifiers[name], 1, *fractions, *[0] * len(OPEN_IMAGES_FLAGS))
                    for name, x1, y1, x2, y2 in sample.boxes
                    for fractions in [(x1 / width, x2 / width, y1 / height, y2 / height)]
                ]
        write_csv(folder / f'{stem}-annotations-bbox.csv', rows)


def via_region(shape, **attributes):
    return dict(shape_attributes=shape, region_attributes=attributes)


def via_rectangle(x1, y1, x2, y2):
    return dict(name='rect', x=x1, y=y1, width=x2 - x1, height=y2 - y1)


def via_entries(folder, samples):
    entries = {}
    for sample in samples:
        size = sample.place(folder).stat().st_size
        regions = [via_region(via_rectangle(*corners), animal=name) for name, *corners in sample.boxes]
        entries[f'{sample.name}{size}'] = dict(filename=sample.name, size=size, regions=regions, file_attributes={})
    return entries


def via_json(folder, samples):
    entries = via_entries(folder, samples)
    (folder / 'via_region_data.json').write_text(json.dumps(entries))


def via_project(folder, samples):
    entries = via_entries(folder, samples)
    content = dict(
        _via_settings=dict(ui={}, core=dict(buffer_size=18, filepath={}, default_filepath=''), project=dict(name='p')),
        _via_img_metadata=entries,
        _via_attributes=dict(region=dict(animal=dict(type='text')), file={}),
        _via_data_format_version='2.0.10',
        _via_image_id_list=list(entries),
    )
    (folder / 'via_project_1Jan2026_1h1m.json').write_text(json.dumps(content))


def via_csv(folder, samples):
    write_via_csv(folder, via_entries(folder, samples))


def write_via_csv(folder, entries, mark=''):
    header = 'filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes'
    rows = [(mark + header).split(',')]
    for entry in entries.values():
        start = entry['filename'], entry['size'], '{}', len(entry['regions'])
        rows += [
            (*start, number, json.dumps(region['shape_attributes']), json.dumps(region['region_attributes']))
            for number, region in enumerate(entry['regions'])
        ] or [(*start, 0, '{}', '{}')]
    write_csv(folder / 'via_region_data.csv', rows)


@dataclass(frozen=True)
class SampleFormat:
    """A format: its name, how to write it, and what of the samples it can say."""

    name: str
    write: object
    samples: tuple[Sample, ...] = QUARTERS
    # In pixels: formats in fractions or percent are less exact.
    tolerance: float = 1e-6
    has_empty: bool = True
    has_splits: bool = False
    renamed: dict[str, str] = field(default_factory=dict, hash=False)

    def expected(self):
        """Return {file name: (split, boxes)}."""
        return {
            self.renamed.get(sample.name, sample.name): (sample.split if self.has_splits else None, sample.boxes)
            for sample in self.samples
            if sample.boxes or self.has_empty
        }


FORMATS = {
    'cvat': SampleFormat('CVAT for images', cvat, has_splits=True),
    'label_studio': SampleFormat(
        'Label Studio', label_studio, tolerance=1e-3, renamed={'two words.JPG': 'two_words.JPG'}
    ),
    'labelme': SampleFormat('LabelMe', labelme),
    'createml': SampleFormat('createML', createml, has_splits=True),
    'tensorflow_csv': SampleFormat('TensorFlow CSV', tensorflow_csv, SAMPLES, has_empty=False, has_splits=True),
    'retinanet_csv': SampleFormat('RetinaNet CSV', retinanet_csv, SAMPLES),
    'open_images_csv': SampleFormat(
        'Open Images CSV', open_images_csv, tolerance=1e-3, has_empty=False, has_splits=True
    ),
    'via_json': SampleFormat('VIA JSON', via_json, SAMPLES),
    'via_project': SampleFormat('VIA JSON', via_project, SAMPLES),
    'via_csv': SampleFormat('VIA CSV', via_csv, SAMPLES),
}
