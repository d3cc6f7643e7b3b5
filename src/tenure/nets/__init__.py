"""Whole networks."""

from tenure.nets.mobilenet import MobileNetV1
from tenure.nets.resnet import ResNet, ResNet18, ResNet34, ResNet50, ResNet101, ResNet152, ResNet200
from tenure.nets.transformer import Transformer, TransformerLM
from tenure.nets.transformer_config import TransformerConfig
from tenure.nets.transformer_layers import Block, Tower
from tenure.nets.vector_quantizer import VectorQuantizer, VectorQuantizerEMA
from tenure.nn.mlp import MLP

__all__ = [
    "MLP",
    "Block",
    "MobileNetV1",
    "ResNet",
    "ResNet18",
    "ResNet34",
    "ResNet50",
    "ResNet101",
    "ResNet152",
    "ResNet200",
    "Tower",
    "Transformer",
    "TransformerConfig",
    "TransformerLM",
    "VectorQuantizer",
    "VectorQuantizerEMA",
]
