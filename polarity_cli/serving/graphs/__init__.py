"""A checkpoint as ONNX graphs, full precision and int8, and the engine that runs them without torch.

trace      a model -> its full-precision graph                    needs torch, onnx
quantize   that graph -> one with int8 products                   needs onnx, onnxruntime
export     both, checked against the model before they are used   needs torch, onnx, onnxruntime
engine     a graph and token ids -> logits                        needs onnxruntime
"""

from __future__ import annotations

GRAPHS = {"fp32": "polarity.fp32.onnx", "int8": "polarity.int8.onnx"}
"""The file of each precision, in a checkpoint's folder or in the cache.

Not `model.onnx`: these graphs take no attention mask, which programs that look for that name feed, or leave out without a word.
"""
OLD_GRAPHS = {"fp32": "model.onnx", "int8": "model.int8.onnx"}
"""What they were called in older checkpoints, which are still read."""
