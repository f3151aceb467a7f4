#include "tests/unit/store/workload.hpp"

#include "runtime/store/store.hpp"
#include "tests/unit/store/support.hpp"

#include <iterator>

namespace tayfa::store::testing {

shared_text workload::text() {
  const auto kind = draw(8);
  if (kind == 0) { // one of a few large ones, so that rows share files
    return shared_text{std::string(job_store::inline_max + 1 + draw(3), 'x')};
  }
  return shared_text{std::string(kind == 1 ? 3'000 : draw(300), static_cast<char>('a' + kind))};
}

change workload::accept_one() {
  auto row = new_row(++order_);
  row.fingerprint = draw(1'000'000);
  row.request.input = text();
  row.request.policy.priority = static_cast<std::uint8_t>(draw(10));
  if (draw(3) == 0) {
    row.request.origin = "p-" + std::to_string(order_);
    row.request.s3_config = std::string(draw(200), 's');
  }
  return accept(std::move(row));
}

change workload::change_one(const perfect_store& now) {
  auto at = now.by_order().begin();
  std::advance(at, static_cast<std::ptrdiff_t>(draw(now.size())));
  auto row = at->second;
  const auto kind = draw(6);
  if (kind == 0) {
    return erase{row.order};
  }
  row.attempts += 1;
  row.holder = {slot_id{static_cast<std::uint32_t>(draw(8))}, draw(8),
                node_id{static_cast<std::uint32_t>(draw(3))}};
  row.worker = "slot-" + std::to_string(row.holder.slot.value);
  row.lasting_name = draw(2) == 0 ? "pictures/box-" + std::to_string(draw(9)) + "/" : "";
  row.given = row.submitted + std::chrono::milliseconds{draw(99)};
  row.streamed = draw(2) == 0;
  row.state = job_state::IN_PROGRESS;
  std::uint8_t more = 0;
  if (kind >= 3) {
    row = completed(std::move(row), "");
    row.output = text();
    row.output_bytes = row.output.size();
    row.chunks.assign(draw(3), chunk{"\"part\""});
    row.history.push_back({.number = row.attempts,
                           .worker = row.worker,
                           .given = std::chrono::milliseconds{draw(99)},
                           .began = {},
                           .ended = std::chrono::milliseconds{draw(999)},
                           .failure = {}});
    row.hook_open = draw(2) == 0;
    row.refresh = draw(2) == 0;
    row.dropped_chunks = static_cast<std::uint32_t>(draw(3));
    row.keep_until = row.submitted + std::chrono::milliseconds{draw(99)};
    more = part_output | part_chunks | (kind == 5 ? part_input_released : 0);
  }
  return state_of(std::move(row), more);
}

batch workload::next(const perfect_store& now) {
  batch out;
  const auto changes = 1 + draw(4);
  for (std::uint64_t i = 0; i < changes; ++i) {
    out.push_back(now.size() == 0 || draw(3) == 0 ? accept_one() : change_one(now));
  }
  return out;
}

} // namespace tayfa::store::testing
