"""Whole networks."""

from tenure.nets.transformer import Transformer, TransformerLM
from tenure.nets.transformer_layers import Block, Tower, TransformerConfig
from tenure.nn.mlp import MLP

__all__ = ["MLP", "Block", "Tower", "Transformer", "TransformerConfig", "TransformerLM"]
