// Model files on this machine's disks, checked on a thread of their own, for the engines of a pod.
#pragma once

#include "messages/engine_kind.hpp"
#include "runtime/model/source.hpp"

#include <list>
#include <mutex>
#include <thread>

namespace tayfa {

/// The destructor waits for running checks (hashing a file cannot be interrupted).
class file_model_source final : public model_source {
 public:
  /// A file that none of these engines runs is an error (errc::model_invalid).
  explicit file_model_source(std::vector<engine_kind> engines) : engines_(std::move(engines)) {}

  void inspect(std::vector<std::string> paths,
               std::function<void(result<std::vector<model_entry>>)> done) override;

 private:
  const std::vector<engine_kind> engines_;
  std::mutex mutex_;
  std::list<std::jthread> threads_;
};

} // namespace tayfa
