// Any bytes as the choices of a job world: whatever is asked, reported, refused and lost, the job
// table does what the naive model of the queue says.
#include "tests/fuzz/fuzz.hpp"
#include "tests/job_model/byte_dice.hpp"
#include "tests/job_model/job_world.hpp"

#include <algorithm>

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace tayfa::testing;
  byte_dice choices{{bytes, std::min<std::size_t>(size, 2048)}};
  job_world world{std::ref(choices), keep_in_memory};
  while (choices.more() && world.broken().empty()) {
    world.step();
  }
  for (const auto& text : world.broken()) {
    std::fprintf(stderr, "%s\n", text.c_str());
  }
  tayfa::fuzz::require(world.broken().empty(), "the job table does what its model says");
  return 0;
}
