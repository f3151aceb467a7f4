// Any bytes as a scripted job's input, and as a scripted behaviour: refused with a reason, or a
// plan that ends.
#include "runtime/engine/scripted.hpp"

#include "tests/fuzz/fuzz.hpp"

using namespace tayfa;

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(bytes), size};
  if (const auto plan = engine::plan_script(text)) {
    fuzz::require(!plan->steps.empty(), "a plan has an end");
  } else {
    fuzz::require(plan.error().code == errc::bad_input, "a faulty script is an error of the job");
  }
  if (const auto behavior = engine::parse_behavior(text); !behavior) {
    fuzz::require(behavior.error().code == errc::bad_config, "a faulty behaviour is bad_config");
  }
  return 0;
}
