"""Layers. Their names, arguments and parameter names are Haiku's wherever Haiku has the layer."""

from tenure import initializers
from tenure.nn import padding
from tenure.nn.attend import attend
from tenure.nn.attention import MultiHeadAttention
from tenure.nn.axes import get_channel_index
from tenure.nn.batch_norm import BatchNorm
from tenure.nn.conv import Conv1D, Conv2D, Conv3D, ConvND
from tenure.nn.conv_lstm import Conv1DLSTM, Conv2DLSTM, Conv3DLSTM, ConvNDLSTM
from tenure.nn.conv_transpose import Conv1DTranspose, Conv2DTranspose, Conv3DTranspose, ConvNDTranspose
from tenure.nn.cores import DeepRNN, IdentityCore, ResetCore, deep_rnn_with_skip_connections
from tenure.nn.depthwise import DepthwiseConv1D, DepthwiseConv2D, DepthwiseConv3D, SeparableDepthwiseConv2D
from tenure.nn.dropout import dropout, multinomial
from tenure.nn.embed import Embed, EmbedLookupStyle
from tenure.nn.group_norm import GroupNorm
from tenure.nn.linear import Bias, Linear
from tenure.nn.masks import causal_mask, padding_mask
from tenure.nn.mlp import MLP
from tenure.nn.moving_averages import EMAParamsTree, ExponentialMovingAverage
from tenure.nn.norm import InstanceNorm, LayerNorm, RMSNorm
from tenure.nn.pool import AvgPool, MaxPool, avg_pool, max_pool
from tenure.nn.positions import rotary, sinusoidal
from tenure.nn.recurrent import (
    GRU,
    LSTM,
    LSTMState,
    ResetAfterGRU,
    RNNCore,
    VanillaRNN,
)
from tenure.nn.spectral_norm import SNParamsTree, SpectralNorm
from tenure.nn.structure import BatchApply, Flatten, Reshape, Sequential, expand_apply, one_hot
from tenure.nn.unroll import dynamic_unroll, static_unroll

__all__ = [
    "GRU",
    "LSTM",
    "MLP",
    "AvgPool",
    "BatchApply",
    "BatchNorm",
    "Bias",
    "Conv1D",
    "Conv1DLSTM",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DLSTM",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DLSTM",
    "Conv3DTranspose",
    "ConvND",
    "ConvNDLSTM",
    "ConvNDTranspose",
    "DeepRNN",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "DepthwiseConv3D",
    "EMAParamsTree",
    "Embed",
    "EmbedLookupStyle",
    "ExponentialMovingAverage",
    "Flatten",
    "GroupNorm",
    "IdentityCore",
    "InstanceNorm",
    "LSTMState",
    "LayerNorm",
    "Linear",
    "MaxPool",
    "MultiHeadAttention",
    "RMSNorm",
    "RNNCore",
    "ResetAfterGRU",
    "ResetCore",
    "Reshape",
    "SNParamsTree",
    "SeparableDepthwiseConv2D",
    "Sequential",
    "SpectralNorm",
    "VanillaRNN",
    "attend",
    "avg_pool",
    "causal_mask",
    "deep_rnn_with_skip_connections",
    "dropout",
    "dynamic_unroll",
    "expand_apply",
    "get_channel_index",
    "initializers",
    "max_pool",
    "multinomial",
    "one_hot",
    "padding",
    "padding_mask",
    "rotary",
    "sinusoidal",
    "static_unroll",
]
