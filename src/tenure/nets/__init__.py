"""Whole networks."""

from tenure.nets.transformer import Transformer, TransformerLM
from tenure.nets.transformer_config import TransformerConfig
from tenure.nets.transformer_layers import Block, Tower
from tenure.nn.mlp import MLP

__all__ = ["MLP", "Block", "Tower", "Transformer", "TransformerConfig", "TransformerLM"]
