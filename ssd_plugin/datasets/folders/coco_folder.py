"""Recognition of COCO's JSON: one file for each split, with the images anywhere in the folder."""

import json
import mmap
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from ssd_plugin.datasets.annotations import coco
from ssd_plugin.datasets.annotations.coco_rules import LISTS, load, project_category
from ssd_plugin.datasets.annotations.records import AnnotatedImage
from ssd_plugin.datasets.transforms.image_decoding import UnreadableImage, size_of_file
from ssd_plugin.errors import UnusableData

from .folder_dataset import ALL, Candidate, FolderDataset, FolderSplit, Part
from .scan import Scan, common_folder
from .splits import in_order, split_in, split_of_path

FORMAT, TITLE = 'coco', 'COCO JSON'
# LabelMe has a JSON file for each image, with the image inside.
OTHER_KEYS, HEAD = (b'"shapes"', b'"imagePath"'), 4096
# Images of a file by which their folder is found.
LOOKED_FOR = 50


@dataclass(frozen=True)
class _File:
    """A JSON file.

    Attributes:
        path: The file.
        split: The split that its name says, or that of its folders.
        content: Its content.
        is_keypoints: Whether it has the points of poses.
    """

    path: Path
    split: str | None
    content: dict
    is_keypoints: bool


def recognize(scan: Scan) -> list[Candidate]:
    """Return the COCO files of a folder: one candidate for files of different splits, one each for others."""
    files, captions = [], []
    for path in filter(_has_keys, scan.with_suffix('.json')):
        try:
            content, (_, annotations, categories) = load(path)
        except (OSError, ValueError, RecursionError):
            captions += [path] if _has_captions(path) else []
            continue
        if not annotations or any(isinstance(entry, dict) and 'bbox' in entry for entry in annotations):
            is_keypoints = any(isinstance(entry, dict) and 'keypoints' in entry for entry in categories)
            split = split_in(path.stem) or split_of_path(path, scan.root)
            files.append(_File(path, split, content, is_keypoints))
        else:
            captions.append(path)
    boxes = [file for file in files if not file.is_keypoints]
    poses = [file for file in files if file.is_keypoints]
    splits = {file.split for file in boxes}
    read = [*boxes, *(file for file in poses if file.split not in splits)]
    unread = tuple(str(path) for path in [*captions, *(file.path for file in poses if file.split in splits)])
    groups = [read]
    if len({file.split for file in read}) < len(read):
        by_folder = defaultdict(list)
        for file in read:
            by_folder[file.path.parent].append(file)
        groups = [
            group
            for files in by_folder.values()
            for group in ([files] if len({f.split for f in files}) == len(files) else [[file] for file in files])
        ]
    return [
        Candidate(
            FORMAT,
            TITLE,
            _place(group),
            partial(_read, scan, group),
            unread,
        )
        for group in groups
        if group
    ]


def _place(files: Sequence[_File]) -> Path:
    """Return the file, or the folder of several."""
    return files[0].path if len(files) == 1 else common_folder([file.path.parent for file in files])


def _has_keys(path: Path) -> bool:
    """Return whether a JSON file, which is not parsed, may be of COCO's kind."""
    if path.stat().st_size < HEAD:
        data: Any = path.read_bytes()
        return b'"images"' in data and b'"annotations"' in data
    with open(path, 'rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if any(key in content[:HEAD] for key in OTHER_KEYS):
            return False
        return content.find(b'"images"') >= 0 and content.find(b'"annotations"') >= 0


def _has_captions(path: Path) -> bool:
    """Return whether a file of COCO's kind has no categories, like its captions."""
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and all(isinstance(content.get(key), list) for key in ('images', 'annotations'))


def _read(scan: Scan, files: Sequence[_File]) -> FolderDataset:
    """Read the files of a folder.

    Raises:
        UnusableData: A file has no categories or none of its images is in the folder.
    """
    found = [_located(scan, file) for file in files]
    categories = [_categories(file.content) for file in files]
    classes = tuple(dict.fromkeys(name for names in categories for name in names.values()))
    # MMDetection assigns labels in the order of the file.
    same = all(tuple(names.values()) == classes for names in categories)
    sources, splits = [], {}
    contents: dict[Path, tuple[_File, Path]] = {}
    for file, (folder, changed) in zip(files, found):
        lists = [file.content[key] for key in LISTS]
        annotations = coco.read_content(file.path, file.content, lists, folder, classes)
        name = ALL if len(files) == 1 else file.split or ALL
        for image in annotations.images:
            image.splits = {name}
            contents[image.path] = file, folder
        in_place = dict(
            type='SharedCocoDataset',
            data_root=str(scan.root),
            ann_file=scan.relative(file.path),
            data_prefix=dict(img=scan.relative(folder)),
            metainfo=dict(classes=classes),
        )
        splits[name] = FolderSplit(name, tuple(annotations.images), in_place if same and not changed else None)
        sources.append((file.path, annotations))

    def part(chosen: Sequence[AnnotatedImage], path: Path) -> Part:
        dataset = dict(
            type='SharedCocoDataset',
            data_root=str(scan.root),
            ann_file=str(path.absolute()),
            data_prefix=dict(img=''),
            metainfo=dict(classes=classes),
        )
        content = _subset(scan, chosen, contents, classes)
        return Part(dataset, {path: json.dumps(content, ensure_ascii=False).encode()})

    return FolderDataset(
        FORMAT,
        TITLE,
        scan.root,
        _place(files),
        classes,
        in_order(splits),
        tuple(sources),
        '.json',
        part,
    )


def _categories(content: dict) -> dict[int | str, str]:
    """Return the names of the classes by id, without the project that Roboflow writes as category 0."""
    project = project_category(content['categories'], content['annotations'])
    entries = [entry for entry in content['categories'] if isinstance(entry, dict) and entry is not project]
    return {entry['id']: entry['name'] for entry in entries if {'id', 'name'} <= entry.keys()}


def _located(scan: Scan, file: _File) -> tuple[Path, bool]:
    """Find the images of a file, and complete its content.

    Names with folders of another machine are replaced, and sizes that are missing are read from the files.

    Returns:
        The folder that names are relative to, and whether the content differs from the file.

    Raises:
        UnusableData: None of the images is in the folder.
    """
    images = [entry for entry in file.content['images'] if isinstance(entry, dict)]
    names = [str(entry.get('file_name', '')).replace('\\', '/') for entry in images]
    folder = _image_folder(scan, file, names)
    changed = False
    if folder is None:
        folder = scan.image_root
        paths = [_by_last_part(scan, file, name) for name in names]
        if not any(paths):
            first = names[0] if names else 'no image'
            raise UnusableData(
                f'{file.path} is {TITLE}, but none of its {len(names)} images is in {scan.image_root}: it names {first}'
            )
        names = [str(path.relative_to(folder)) if path else name for path, name in zip(paths, names)]
    for entry, name in zip(images, names):
        if isinstance(entry.get('file_name'), str) and entry['file_name'] != name:
            entry['file_name'] = name
            changed = True
        if any(entry.get(key) is None for key in ('width', 'height')):
            try:
                entry['width'], entry['height'] = size_of_file(str(folder / name))
            except (OSError, UnreadableImage):
                continue
            changed = True
    entries = file.content['categories']
    kept = _categories(file.content)
    dropped = [entry for entry in entries if isinstance(entry, dict) and entry.get('id') not in kept]
    if dropped:
        # Classes select by name, and the project may have the name of a class.
        changed |= any(entry.get('name') in kept.values() for entry in dropped)
        file.content['categories'] = [entry for entry in entries if entry not in dropped]
    return folder, changed


def _image_folder(scan: Scan, file: _File, names: Iterable[str]) -> Path | None:
    """Return the folder in which most of the images are found under their names, ``None`` if none is."""
    counts: Counter[Path] = Counter()
    for name in list(names)[:LOOKED_FOR]:
        parts = PurePosixPath(name).parts
        if not parts or parts[0] == '/' or '..' in parts:
            continue
        for path in scan.images_by_name.get(parts[-1].lower(), ()):
            if path.parts[-len(parts) :] == parts:
                counts[path.parents[len(parts) - 1]] += 1
    if not counts:
        return None
    return max(counts, key=lambda folder: (counts[folder], _nearness(folder, file, scan), str(folder)))


def _nearness(folder: Path, file: _File, scan: Scan) -> tuple:
    """Return a key that is larger for a folder that belongs to a file: by its split, or nearer to it."""
    of_split = split_of_path(folder / 'image', scan.root) == file.split
    common = sum(a == b for a, b in zip(folder.parts, file.path.parent.parts))
    return of_split, common


def _by_last_part(scan: Scan, file: _File, name: str) -> Path | None:
    """Return the image with the file name at the end of a path, the nearest to the JSON file if there are several."""
    found = scan.images_by_name.get(PurePosixPath(name).name.lower(), ())
    return max(found, key=lambda path: (_nearness(path.parent, file, scan), str(path)), default=None)


def _subset(
    scan: Scan,
    chosen: Iterable[AnnotatedImage],
    contents: dict[Path, tuple[_File, Path]],
    classes: tuple[str, ...],
) -> dict[str, Any]:
    """Return the content of a JSON file with some of the images, whose ids and categories are numbered anew.

    Args:
        scan: The files of the folder.
        chosen: The images.
        contents: File and folder of each image by path.
        classes: Class names; category ``i + 1`` is class ``i``.
    """
    wanted = {image.path for image in chosen}
    images, annotations = [], []
    for file, folder in {id(file): (file, folder) for file, folder in contents.values()}.values():
        names = _categories(file.content)
        ids: dict[Any, int] = {}
        for entry in file.content['images']:
            path = folder / str(entry.get('file_name')) if isinstance(entry, dict) else None
            if path in wanted and entry['id'] not in ids:
                ids[entry['id']] = len(images) + 1
                images.append({**entry, 'id': ids[entry['id']], 'file_name': scan.relative(path)})
        for entry in file.content['annotations']:
            known = isinstance(entry, dict) and entry.get('image_id') in ids and entry.get('category_id') in names
            if known:
                category = classes.index(names[entry['category_id']]) + 1
                numbers = dict(id=len(annotations) + 1, image_id=ids[entry['image_id']], category_id=category)
                annotations.append({**entry, **numbers})
    categories = [dict(id=number, name=name) for number, name in enumerate(classes, 1)]
    return dict(images=images, annotations=annotations, categories=categories)
