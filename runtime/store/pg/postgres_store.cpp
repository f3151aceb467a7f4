#include "runtime/store/pg/pg_worker.hpp"

#include <algorithm>

namespace tayfa::store {

namespace {

std::size_t bytes_of(const batch& changes) {
  std::size_t out = 0;
  for (const auto& each : changes) {
    if (const auto* const what = std::get_if<put>(&each)) {
      out += (what->which & part_request) != 0 ? what->row.request.input.size() : 0;
      out += (what->which & part_output) != 0 ? what->row.output.size() : 0;
    }
  }
  return out;
}

} // namespace

postgres_store::postgres_store(const time_source& time, random_source& random,
                               postgres_store_options options)
    : worker_(std::make_unique<worker>(time, random, std::move(options))) {}
postgres_store::~postgres_store() = default;

void postgres_store::open(std::function<void(result<recovered>)> done) {
  worker_->add(pg_work::write_op{pg_work::open_op{std::move(done)}});
}
void postgres_store::commit(batch changes, std::function<void(result<void>)> done) {
  const auto bytes = bytes_of(changes);
  worker_->add(pg_work::write_op{pg_work::commit_op{std::move(changes), std::move(done), bytes}});
}
void postgres_store::fetch(std::uint64_t order, column which,
                           std::function<void(result<shared_text>)> done) {
  worker_->fetch_soon({order, which, std::move(done), {}});
}
void postgres_store::close(std::function<void()> done) {
  worker_->close(std::move(done));
}
std::optional<error> postgres_store::trouble() const {
  return worker_->trouble();
}
void postgres_store::on_failure(std::function<void(error)> call) {
  worker_->on_failure(std::move(call));
}
void postgres_store::adopt(std::size_t most, std::function<void(result<adopted_jobs>)> done) {
  worker_->add(pg_work::write_op{pg_work::adopt_op{most, std::move(done)}});
}
/// So often that a dead head is found within a tenth of its lease.
std::chrono::milliseconds postgres_store::adopt_pause() const {
  return std::clamp<std::chrono::milliseconds>(worker_->lease() / 10, std::chrono::milliseconds{50},
                                               std::chrono::milliseconds{1'000});
}
void postgres_store::heads(std::function<void(result<std::vector<pg_head::view>>)> done) {
  worker_->add(pg_work::write_op{pg_work::heads_op{std::move(done)}});
}
std::string postgres_store::name() const {
  return worker_->name();
}
void postgres_store::find(const job_id& id, find_done done) {
  worker_->exchange([&](pg_exchange& with) { with.find(id, done); },
                    [&](error why) { done(fail(std::move(why))); });
}
void postgres_store::find(const job_key& key, find_done done) {
  worker_->exchange([&](pg_exchange& with) { with.find(key, done); },
                    [&](error why) { done(fail(std::move(why))); });
}
void postgres_store::others(std::function<void(result<std::vector<head_view>>)> done) {
  worker_->exchange([&](pg_exchange& with) { with.others(done); },
                    [&](error why) { done(fail(std::move(why))); });
}
void postgres_store::call(std::int64_t head, std::string body, std::chrono::milliseconds longest,
                          std::function<void(result<std::string>)> done) {
  worker_->exchange([&](pg_exchange& with) { with.call(head, std::move(body), longest, done); },
                    [&](error why) { done(fail(std::move(why))); });
}
void postgres_store::serve(std::function<void(head_call)> server) {
  worker_->exchange([&](pg_exchange& with) { with.serve(std::move(server)); }, [](const error&) {});
}
bool postgres_store::holds_lease() const {
  return worker_->holds_lease();
}
pg_head::counters postgres_store::counts() const {
  return worker_->counts();
}

} // namespace tayfa::store
