// Model files on this machine's disks, checked on a thread of their own.
#pragma once

#include "runtime/model/source.hpp"

#include <list>
#include <mutex>
#include <thread>

namespace tayfa {

/// The destructor waits for running checks (hashing a file cannot be interrupted).
class file_model_source final : public model_source {
 public:
  void inspect(std::vector<std::string> paths,
               std::function<void(result<std::vector<model_entry>>)> done) override;

 private:
  std::mutex mutex_;
  std::list<std::jthread> threads_;
};

} // namespace tayfa
