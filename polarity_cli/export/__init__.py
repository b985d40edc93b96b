"""A model as ONNX graphs, full precision and int8, which `inference` runs without torch.

trace       a model -> its full-precision graph                     needs torch, onnx
calibrate   that graph and some reviews -> what its products read   needs onnx, onnxruntime
quantize    that graph -> one with int8 products                    needs onnx
export      both, checked against the model before they are used    needs torch, onnx, onnxruntime
"""
