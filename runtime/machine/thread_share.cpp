#include "runtime/machine/thread_share.hpp"

#include "runtime/base/variables.hpp"

#include <algorithm>
#include <charconv>

namespace tayfa {

std::string value_for_child(std::string_view name, std::span<const std::string> ours,
                            std::span<const std::string> passed) {
  for (const auto& list : {passed, ours}) {
    for (const std::string_view entry : list) {
      if (const auto value = value_in(entry, name); value && !value->empty()) {
        return std::string{*value};
      }
    }
  }
  return {};
}

std::uint32_t threads_of_engine(const thread_wish& wish, const cpu_room& room, std::uint32_t slots,
                                std::uint32_t pinned) {
  if (wish.asked > 0) {
    return wish.asked;
  }
  const auto share = compute_threads(room, slots, pinned);
  std::uint32_t most = 0;
  const char* const end = wish.omp.data() + wish.omp.size();
  const auto read = std::from_chars(wish.omp.data(), end, most);
  const bool whole = read.ec == std::errc{} && (read.ptr == end || *read.ptr == ',') && most > 0;
  return whole ? std::min(share, most) : share;
}

std::vector<std::pair<std::string, std::string>>
thread_variables(std::uint32_t threads, std::span<const std::string> ours,
                 std::span<const std::string> passed) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const char* const name : {"OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"}) {
    out.emplace_back(name, std::to_string(threads));
  }
  const bool decided = !value_for_child("OMP_WAIT_POLICY", ours, passed).empty() ||
                       !value_for_child("GOMP_SPINCOUNT", ours, passed).empty();
  if (!decided) {
    out.emplace_back("OMP_WAIT_POLICY", "PASSIVE");
  }
  return out;
}

} // namespace tayfa
