from .unusable_boxes_hook import UnusableBoxesHook

__all__ = ['UnusableBoxesHook']
