#include "runtime/pods_net/result_thread.hpp"

#include <utility>

namespace tayfa::pods {

result_thread::result_thread(store::file_system& files, std::string folder, kept_limits limits)
    : files_(files), folder_(std::move(folder)), limits_(limits) {}

void result_thread::open(std::function<void(result<std::vector<kept_result>>)> done) {
  thread_.post([this, done = std::move(done)] {
    results_ = std::make_unique<folder_results>(files_, folder_, limits_);
    done(results_->open());
  });
}

void result_thread::keep(protocol::finished m, std::function<void(result<void>)> done) {
  thread_.post([this, m = std::move(m), done = std::move(done)] { done(results_->keep(m)); });
}

void result_thread::read(attempt_ref attempt,
                         std::function<void(result<protocol::finished>)> done) {
  thread_.post([this, attempt = std::move(attempt), done = std::move(done)] {
    done(results_->read(attempt));
  });
}

void result_thread::remove(attempt_ref attempt) {
  thread_.post([this, attempt = std::move(attempt)] { results_->remove(attempt); });
}

} // namespace tayfa::pods
