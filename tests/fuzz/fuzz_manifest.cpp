// Any bytes as a model's manifest: refused as model_invalid with a reason, or a manifest within its
// bounds.
#include "runtime/model/catalogue.hpp"

#include "tests/fuzz/fuzz.hpp"

using namespace tayfa;

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto manifest = parse_manifest({reinterpret_cast<const char*>(bytes), size});
  if (!manifest) {
    fuzz::require(manifest.error().code == errc::model_invalid, "a bad manifest is model_invalid");
    fuzz::require(!manifest.error().text.empty(), "a refusal names the field");
    return 0;
  }
  fuzz::require(manifest->sha256.size() == 64, "an accepted manifest has a whole hash");
  for (const auto& tensor : manifest->inputs) {
    for (const auto& axis : tensor.shape) {
      fuzz::require(axis.min >= 0 && axis.min <= axis.max, "an axis has its bounds in order");
    }
    fuzz::require(!tensor.batch_axis || *tensor.batch_axis < tensor.shape.size(),
                  "the batch axis exists");
  }
  return 0;
}
