"""Predictions without torch: records read ahead, tokenized, answered by a graph in ONNX Runtime."""
