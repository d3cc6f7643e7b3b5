"""Whole networks."""

from tenure.nets.mobilenet import MobileNetV1
from tenure.nets.resnet import ResNet, ResNet18, ResNet34, ResNet50, ResNet101, ResNet152, ResNet200
from tenure.nets.vector_quantizer import VectorQuantizer, VectorQuantizerEMA
from tenure.nn.mlp import MLP

__all__ = [
    "MLP",
    "MobileNetV1",
    "ResNet",
    "ResNet18",
    "ResNet34",
    "ResNet50",
    "ResNet101",
    "ResNet152",
    "ResNet200",
    "VectorQuantizer",
    "VectorQuantizerEMA",
]
