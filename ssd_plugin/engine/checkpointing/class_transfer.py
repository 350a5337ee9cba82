"""Weights of a detector for one with other classes: what fits is taken over, outputs of classes by their name."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from ssd_plugin.configs import settings_of_text
from ssd_plugin.ops.output_layout import OutputLayout

# Names that a line lists.
LISTED = 10
_COUNTER = 'num_batches_tracked'
_HEAD = 'bbox_head'


class Transfer(NamedTuple):
    """Result of :func:`transfer`.

    Attributes:
        state: State dict with the names and shapes of the model.
        lines: What was taken over and what begins anew.
    """

    state: dict[str, Tensor]
    lines: list[str]


class _Level(NamedTuple):
    """A level of the head: names of the parameters of its last prediction layers, and number of priors per cell."""

    classes: list[str]
    boxes: list[str]
    priors: int


def transfer(
    model: nn.Module, given: Mapping[str, Tensor], meta: Mapping[str, Any], classes: Sequence[str] | None
) -> Transfer:
    """Return the weights with which a detector starts from those of another one.

    Tensors with the name and shape of the model's are taken over. Outputs of a class are taken over by its name, that
    of the background as well, whatever their order. Outputs of other classes keep the values of the model, and so do
    the last prediction layers of a level whose cells have another number of priors. Sigmoid and softmax outputs mean
    different things and are not exchanged.

    Args:
        model: Detector with a :class:`~ssd_plugin.models.heads.MultiBoxHead` in its initial state.
        given: Weights to start from.
        meta: Metadata of their checkpoint: ``dataset_meta`` or ``CLASSES`` with the names of its classes, ``cfg`` with
            the text of its config. Without names, the outputs are taken over as they are if they are as many.
        classes: Names of the classes of the model; ``None`` if they are unknown.
    """
    head: Any = model.get_submodule(_HEAD)
    fresh = {name: value.detach().cpu() for name, value in model.state_dict().items()}
    taken = {name: given[name] for name, value in fresh.items() if name in given and given[name].shape == value.shape}
    names, trained = _class_names(meta), _trained_layout(meta)
    restarted, outputs = [], None
    for index, level in enumerate(_levels(head)):
        theirs = _priors_of(given, level)
        for name in (*level.classes, *(level.boxes if theirs != level.priors else ())):
            taken.pop(name, None)
        if theirs is None:
            continue
        if theirs != level.priors:
            restarted.append(f'level {index} has {level.priors} priors per cell instead of {theirs}')
            continue
        source = _layout(given[level.classes[0]].shape[0] // theirs, trained, head.layout)
        outputs = matching_outputs(source, names, head.layout, classes)
        for name in level.classes:
            if name in given and given[name].shape[1:] == fresh[name].shape[1:] and any(o is not None for o in outputs):
                taken[name] = _rows_taken_over(fresh[name], given[name], theirs, outputs)
    lines = [
        *_tensor_lines(fresh, taken, given),
        *_class_lines(outputs, names, head.layout, classes),
        *([f'{"; ".join(restarted)}: their prediction layers begin anew'] if restarted else []),
    ]
    return Transfer({**fresh, **taken}, lines)


def matching_outputs(
    source: OutputLayout, names: Sequence[str] | None, target: OutputLayout, classes: Sequence[str] | None
) -> list[int | None]:
    """Return, for each output of a prior, the output of another layout that means the same; ``None`` if there is none.

    Args:
        source: The other layout.
        names: Names of its classes, if they are known.
        target: The layout.
        classes: Names of its classes, if they are known.
    """
    found: list[int | None] = [None] * target.num_outputs
    if source.activation != target.activation:
        return found
    if names is None or classes is None:
        if source == target:
            return list(range(target.num_outputs))
    elif len(names) == source.num_classes and len(classes) == target.num_classes:
        output_of = dict(zip(reversed(names), reversed(source.class_outputs)))
        for name, output in zip(classes, target.class_outputs):
            found[output] = output_of.get(name)
    if target.background is not None:
        found[target.background_output] = source.background_output
    if (source.unused, source.num_outputs) == (target.unused, target.num_outputs):
        for output in target.unused:
            found[output] = output
    return found


def _levels(head: Any) -> list[_Level]:
    """Return the levels of a :class:`~ssd_plugin.models.heads.MultiBoxHead`."""
    parts = []
    for kind in ('cls_convs', 'reg_convs'):
        layers = [(index, list(predictor.named_children())[-1]) for index, predictor in enumerate(getattr(head, kind))]
        parts.append(
            [
                [f'{_HEAD}.{kind}.{index}.{last}.{name}' for name, _ in layer.named_parameters()]
                for index, (last, layer) in layers
            ]
        )
    return [_Level(*level) for level in zip(*parts, head.prior_generator.num_base_priors)]


def _priors_of(given: Mapping[str, Tensor], level: _Level) -> int | None:
    """Return the number of priors per cell for which a level was trained; ``None`` if it has no weights."""
    weights = [given.get(level.classes[0]), given.get(level.boxes[0])]
    if any(weight is None for weight in weights):
        return None
    rows, boxes = (len(weight) for weight in weights if weight is not None)
    return boxes // 4 if boxes >= 4 and boxes % 4 == 0 and rows % (boxes // 4) == 0 else None


def _class_names(meta: Mapping[str, Any]) -> list[str] | None:
    """Return the names of the classes in the metadata of a checkpoint, of MMDetection 3.x or 2.x."""
    kept = meta.get('dataset_meta')
    names = (kept.get('classes') if isinstance(kept, Mapping) else None) or meta.get('CLASSES')
    return list(map(str, names)) if isinstance(names, (list, tuple)) else None


def _trained_layout(meta: Mapping[str, Any]) -> OutputLayout | None:
    """Return the layout of the outputs that the config in the metadata of a checkpoint describes, if it has one."""
    model = settings_of_text(meta.get('cfg')).get('model')
    head = model.get(_HEAD) if isinstance(model, dict) else None
    if not isinstance(head, dict):
        return None
    options = {name: head[name] for name in ('use_sigmoid', 'background') if name in head}
    try:
        return OutputLayout.of_head(head['num_classes'], unused_outputs=head.get('unused_outputs') or (), **options)
    except (KeyError, ValueError, TypeError):
        # Of a head of another kind.
        return None


def _layout(num_outputs: int, trained: OutputLayout | None, own: OutputLayout) -> OutputLayout:
    """Return the layout of a number of outputs: that of the config if it has as many, or one like our own."""
    if trained is not None and trained.num_outputs == num_outputs:
        return trained
    if own.num_outputs == num_outputs:
        return own
    return OutputLayout(max(num_outputs - (own.background is not None), 1), own.background)


def _rows_taken_over(own: Tensor, theirs: Tensor, priors: int, outputs: Sequence[int | None]) -> Tensor:
    """Return a parameter ``(A * K, ...)`` of the class predictions with the rows of some outputs replaced.

    Args:
        own: The parameter.
        theirs: The one to take rows from, ``(A * K', ...)``.
        priors: A, the priors of a cell.
        outputs: For each of the K outputs, the index of that of ``theirs``, or ``None``.
    """
    ours = [index for index, output in enumerate(outputs) if output is not None]
    result = own.clone().unflatten(0, (priors, -1))
    result[:, ours] = theirs.to(own).unflatten(0, (priors, -1))[:, [o for o in outputs if o is not None]]
    return result.flatten(0, 1)


def _tensor_lines(fresh: Mapping[str, Tensor], taken: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> list[str]:
    """Return a line about the tensors."""
    wanted = [name for name in fresh if not name.endswith(_COUNTER)]
    missing = [name for name in wanted if name not in taken]
    unused = [name for name in given if name not in fresh]
    if not missing and not unused:
        return [f'all {len(wanted)} tensors fit']
    line = f'{len(wanted) - len(missing)} of {len(wanted)} tensors fit'
    if missing:
        line += f'; these begin anew: {_listed(missing, 3)}'
    return [f'{line}; {len(unused)} of the file are not used' if unused else line]


def _class_lines(
    outputs: Sequence[int | None] | None,
    names: Sequence[str] | None,
    layout: OutputLayout,
    classes: Sequence[str] | None,
) -> list[str]:
    """Return a line about the classes that are taken over, and one about the others."""
    if outputs is None:
        return []
    kept = {index for index, output in enumerate(layout.class_outputs) if outputs[output] is not None}
    known = list(classes) if classes is not None else [f'class {index}' for index in range(layout.num_classes)]
    anew = [name for index, name in enumerate(known) if index not in kept]
    background = layout.background is not None and outputs[layout.background_output] is not None
    taken = [known[index] for index in sorted(kept)]
    first = f'classes that are taken over{"" if names is None else " by name"}: {_listed(taken) or "none"}'
    if background:
        first += '; so is the background'
    unused = [name for name in names or () if name not in known]
    second = f'classes that begin anew: {_listed(anew) or "none"}'
    return [first, f'{second}; classes of the file that are not used: {_listed(unused)}' if unused else second]


def _listed(names: Sequence[str], most: int = LISTED) -> str:
    more = f' and {len(names) - most} more' if len(names) > most else ''
    return f'{", ".join(names[:most])}{more}'
