// Any bytes as a job's input to a model with a picture and a tensor: refused as bad_input, or
// tensors that fit the manifest.
#include "runtime/model/tensor_json.hpp"

#include "tests/fuzz/fuzz.hpp"

using namespace tayfa;

namespace {

model_manifest small_model() {
  model_manifest m;
  m.name = "fuzzed";
  m.kind = "torchscript";
  m.device = "cpu";
  tensor_spec image;
  image.name = "image";
  image.type = dtype::u8;
  image.shape = {{1, 2}, {3, 3}, {1, 64}, {1, 64}};
  image.batch_axis = 0;
  image.form = tensor_form::image;
  tensor_spec weights;
  weights.name = "weights";
  weights.type = dtype::f16;
  weights.shape = {{1, 2}, {1, 8}};
  weights.batch_axis = 0;
  m.inputs = {image, weights};
  m.outputs = {weights};
  return m;
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const auto model = small_model();
  const auto input = decode_inputs(model, {reinterpret_cast<const char*>(bytes), size});
  if (!input) {
    fuzz::require(input.error().code == errc::bad_input, "a bad input is the job's fault");
    return 0;
  }
  fuzz::require(input->tensors.size() == model.inputs.size(), "every input is there");
  for (std::size_t i = 0; i < input->tensors.size(); ++i) {
    const auto& tensor = input->tensors[i];
    std::size_t elements = 1;
    fuzz::require(tensor.shape.size() == model.inputs[i].shape.size(), "the rank fits");
    for (std::size_t axis = 0; axis < tensor.shape.size(); ++axis) {
      const auto& bounds = model.inputs[i].shape[axis];
      fuzz::require(tensor.shape[axis] >= bounds.min && tensor.shape[axis] <= bounds.max,
                    "the shape is within its bounds");
      elements *= static_cast<std::size_t>(tensor.shape[axis]);
    }
    fuzz::require(tensor.bytes.size() == elements * size_of(tensor.type),
                  "the bytes fit the shape");
  }
  return 0;
}
