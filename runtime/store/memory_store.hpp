// No durability: for those who want none, and to see its price. Keeps no rows: the committer has
// them in memory already (so it must not drop a text: job_limits::spill_above is 0), and a new
// process finds nothing. Owned by the composition root.
#pragma once

#include "runtime/store/store.hpp"

#include <functional>
#include <mutex>

namespace tayfa::store {

class memory_store final : public job_store {
 public:
  /// How a callback is called: some time later, in the order of the calls.
  using poster = std::function<void(std::function<void()>)>;

  /// Answers on the caller's thread, before the call returns.
  memory_store() = default;
  /// Answers through `post`.
  explicit memory_store(poster post);

  void open(std::function<void(result<recovered>)> done) override;
  void commit(batch, std::function<void(result<void>)> done) override;
  /// Always errc::job_not_found: it keeps no text.
  void fetch(std::uint64_t order, column, std::function<void(result<shared_text>)> done) override;
  void close(std::function<void()> done) override;

 private:
  enum class phase : std::uint8_t { fresh, open, closed };
  void answer(std::function<void()>);

  poster post_;
  std::mutex mutex_; ///< guards phase_
  phase phase_ = phase::fresh;
};

} // namespace tayfa::store
