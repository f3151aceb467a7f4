#include "runtime/store/memory_store.hpp"

#include <utility>

namespace tayfa::store {

memory_store::memory_store(poster post) : post_(std::move(post)) {}

void memory_store::answer(std::function<void()> call) {
  if (post_) {
    post_(std::move(call));
  } else {
    call();
  }
}

void memory_store::open(std::function<void(result<recovered>)> done) {
  {
    const std::lock_guard guard{mutex_};
    phase_ = phase::open;
  }
  answer([done = std::move(done)] { done(recovered{}); });
}

void memory_store::commit(batch, std::function<void(result<void>)> done) {
  bool is_open = false;
  {
    const std::lock_guard guard{mutex_};
    is_open = phase_ == phase::open;
  }
  answer([done = std::move(done), is_open] {
    done(is_open ? result<void>{} : fail(errc::store_failed, "the store is not open"));
  });
}

void memory_store::fetch(std::uint64_t, column, std::function<void(result<shared_text>)> done) {
  answer([done = std::move(done)] { done(fail(errc::job_not_found)); });
}

void memory_store::close(std::function<void()> done) {
  {
    const std::lock_guard guard{mutex_};
    phase_ = phase::closed;
  }
  answer(std::move(done));
}

} // namespace tayfa::store
