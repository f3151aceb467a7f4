// The corpus of fuzz_job_table: each file leads a job world to what the file is called. A change of
// the world's steps gives the bytes another meaning; TAYFA_UPDATE_SEEDS=1 then finds new ones.
#include "runtime/base/random.hpp"
#include "tests/job_model/byte_dice.hpp"
#include "tests/job_model/job_world.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>

namespace tayfa::testing {
namespace {

using bytes = std::vector<std::uint8_t>;

struct seed {
  const char* name;
  std::vector<const char*> events; ///< of world_events
};

const seed seeds[] = {
    {"batch_out_of_memory", {"of 2", "by gpu_oom"}},
    {"cancel_while_running", {"cancel_requested", "revoke"}},
    {"claimed_after_a_crash", {"crashed", "claimed"}},
    {"failed_and_retried", {"job_error", "retried"}},
    {"forgotten_and_given_again", {"given anew"}},
    {"given_again_after_a_failure", {"lives again"}},
    {"handed_back", {"handed back"}},
    {"handed_back_and_undelivered", {"stop_requested", "deliver p-"}},
    {"lost_and_again", {"attempt_lost", "finished"}},
    {"not_claimed_in_time", {"crashed", "not claimed in time"}},
    {"one_job", {"assigned", "finished"}},
    {"poison", {"poisoned"}},
    {"refused_by_a_full_disk", {"withdrawn"}},
    {"remote_asks_for_more", {"pulled", "asks for more"}},
    {"remote_is_silent", {"pulled", "by lease_expired"}},
    {"restart_while_running", {"crashed", "by unavailable"}},
    {"restart_while_undelivered", {"crashed while undelivered"}},
    {"stopped_by_its_platform", {"stopped by its platform"}},
    {"taken_and_posted", {"finished", "settled"}},
    {"time_runs_out", {"execution_timeout", "ttl_expired"}},
    {"webhook_fails_twice", {"notify", "try 2"}},
};

/// These bytes agree with the model, and all the events occur.
bool leads_to(const seed& wanted, const bytes& from) {
  byte_dice choices{from};
  job_world world{std::ref(choices), keep_in_memory};
  while (choices.more() && world.broken().empty()) {
    world.step();
  }
  const auto& unseen = world.unseen();
  return world.broken().empty() &&
         std::none_of(wanted.events.begin(), wanted.events.end(), [&](const char* event) {
           return std::find(unseen.begin(), unseen.end(), event) != unseen.end();
         });
}

/// Random bytes, and then as few of them as do.
bytes find_seed(const seed& wanted) {
  seeded_random random{1};
  bytes found;
  for (int tries = 0; tries < 100'000 && !leads_to(wanted, found); ++tries) {
    found.resize(100 + random.next() % 1'900);
    std::generate(found.begin(), found.end(),
                  [&] { return static_cast<std::uint8_t>(random.next()); });
  }
  for (std::size_t cut = found.size() / 2; cut > 0; cut /= 2) {
    for (std::size_t at = 0; at + cut <= found.size();) {
      auto less = found;
      const auto begin = less.begin() + static_cast<std::ptrdiff_t>(at);
      less.erase(begin, begin + static_cast<std::ptrdiff_t>(cut));
      if (leads_to(wanted, less)) {
        found.swap(less);
      } else {
        at += cut;
      }
    }
  }
  return found;
}

TEST(job_table_seeds, lead_to_what_they_are_called) {
  for (const auto& each : seeds) {
    const auto path = std::string{TAYFA_FUZZ_CORPUS} + "/" + each.name;
    if (std::getenv("TAYFA_UPDATE_SEEDS") != nullptr) {
      const auto found = find_seed(each);
      std::ofstream{path, std::ios::binary}.write(reinterpret_cast<const char*>(found.data()),
                                                  static_cast<std::streamsize>(found.size()));
    }
    std::ifstream in{path, std::ios::binary};
    const bytes stored{std::istreambuf_iterator<char>{in}, {}};
    EXPECT_TRUE(leads_to(each, stored)) << each.name;
  }
}

} // namespace
} // namespace tayfa::testing
