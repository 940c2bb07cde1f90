"""All that knows what a tensor is: network, features, fitting, ONNX."""
