// Shared by the store's tests: manual clocks, temporary folders, rows, and calls that wait for
// their answer. Each test owns what it makes.
#pragma once

#include "runtime/store/sqlite_store.hpp"
#include "tests/job_model/row_text.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

namespace tayfa::store::testing {

struct manual_time final : time_source {
  moment mono{std::chrono::hours{1}};
  std::chrono::system_clock::time_point wall_now{std::chrono::hours{24 * 365 * 50}};
  moment now() const override { return mono; }
  std::chrono::system_clock::time_point wall() const override { return wall_now; }
  void pass(std::chrono::nanoseconds time) {
    mono += time;
    wall_now += std::chrono::duration_cast<std::chrono::system_clock::duration>(time);
  }
};

/// An empty folder that is removed at the end.
class temp_folder {
 public:
  temp_folder() {
    std::string name = std::filesystem::temp_directory_path() / "tayfa-store-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~temp_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  temp_folder(const temp_folder&) = delete;
  temp_folder& operator=(const temp_folder&) = delete;
  std::string path() const { return path_.string(); }
  std::string file() const { return path_ / "jobs.sqlite"; }

 private:
  std::filesystem::path path_;
};

inline std::string slurp(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}
inline void spill(const std::string& path, const std::string& bytes) {
  std::ofstream{path, std::ios::binary | std::ios::trunc} << bytes;
}

/// Performs the requested operations of an inline store; a threaded one does so by itself.
inline void drive(job_store& store, bool inline_mode) {
  if (inline_mode) {
    while (static_cast<sqlite_store&>(store).step()) {
    }
  }
}

/// A call and its answer.
struct calls {
  job_store& store;
  bool inline_mode = false;

  result<job_store::recovered> open() const {
    std::promise<result<job_store::recovered>> answer;
    store.open([&](auto found) { answer.set_value(std::move(found)); });
    drive(store, inline_mode);
    return answer.get_future().get();
  }
  result<void> commit(batch changes) const {
    std::promise<result<void>> answer;
    store.commit(std::move(changes), [&](auto done) { answer.set_value(std::move(done)); });
    drive(store, inline_mode);
    return answer.get_future().get();
  }
  result<shared_text> fetch(std::uint64_t order, job_store::column which) const {
    std::promise<result<shared_text>> answer;
    store.fetch(order, which, [&](auto text) { answer.set_value(std::move(text)); });
    drive(store, inline_mode);
    return answer.get_future().get();
  }
  void close() const {
    std::promise<void> answer;
    store.close([&] { answer.set_value(); });
    drive(store, inline_mode);
    answer.get_future().get();
  }
};

inline job_row new_row(std::uint64_t order, moment submitted = moment{std::chrono::hours{1}}) {
  job_row row;
  row.order = order;
  row.id = job_id{"job-" + std::to_string(order)};
  row.request.endpoint = "tayfa";
  row.request.input = shared_text{R"({"prompt":"a cat, number )" + std::to_string(order) + "\"}"};
  row.input_bytes = row.request.input.size();
  row.submitted = submitted;
  return row;
}
inline put accept(job_row row) {
  return {std::move(row), part_request | part_state};
}
inline put state_of(job_row row, std::uint8_t more = 0) {
  return {std::move(row), static_cast<std::uint8_t>(part_state | more)};
}
inline job_row completed(job_row row, std::string output) {
  row.state = job_state::COMPLETED;
  row.attempts = 1;
  row.worker = "slot-0";
  row.ended = row.submitted + std::chrono::milliseconds{20};
  row.output = shared_text{std::move(output)};
  row.output_bytes = row.output.size();
  return row;
}

using tayfa::testing::same_columns;
using tayfa::testing::text_of;

} // namespace tayfa::store::testing
