// Results of this pod on its disk, kept by a thread of their own.
#pragma once

#include "runtime/pods/kept_results.hpp"
#include "runtime/pods/result_port.hpp"
#include "runtime/pods_net/task_thread.hpp"

#include <memory>
#include <string>

namespace tayfa::pods {

class result_thread final : public result_port {
 public:
  /// The file system outlives it.
  result_thread(store::file_system&, std::string folder, kept_limits = {});

  void open(std::function<void(result<std::vector<kept_result>>)> done) override;
  void keep(protocol::finished, std::function<void(result<void>)> done) override;
  void read(attempt_ref, std::function<void(result<protocol::finished>)> done) override;
  void remove(attempt_ref) override;

 private:
  store::file_system& files_;
  const std::string folder_;
  const kept_limits limits_;
  std::unique_ptr<kept_results> results_; ///< the thread's; null before open()
  task_thread thread_;
};

} // namespace tayfa::pods
